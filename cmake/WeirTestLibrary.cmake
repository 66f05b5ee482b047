# libweir-test.a: what weir/test.h declares, with all it needs of the core inside and hidden, so that
# it shares no name with the program that links it.
set(WEIR_TEST_LIBRARY ${PROJECT_BINARY_DIR}/libweir-test.a)
set(_object ${PROJECT_BINARY_DIR}/weir-test.o)
add_custom_command(OUTPUT ${WEIR_TEST_LIBRARY}
    COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o ${_object} -Wl,-u,weir_test_main -Wl,-u,weir_test_open
        -Wl,-u,weir_test_give -Wl,-u,weir_test_answer $<TARGET_FILE:weir_core>
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=weir_test_* ${_object}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${WEIR_TEST_LIBRARY}
    COMMAND ${CMAKE_AR} qc ${WEIR_TEST_LIBRARY} ${_object}
    COMMAND ${CMAKE_RANLIB} ${WEIR_TEST_LIBRARY}
    DEPENDS weir_core $<TARGET_FILE:weir_core> VERBATIM)
add_custom_target(weir_test_library ALL DEPENDS ${WEIR_TEST_LIBRARY})
add_library(weir_test INTERFACE)
add_library(weir::test ALIAS weir_test)
set_target_properties(weir_test PROPERTIES EXPORT_NAME test)
add_dependencies(weir_test weir_test_library)
target_link_libraries(weir_test INTERFACE weir::plugin $<BUILD_INTERFACE:${WEIR_TEST_LIBRARY}>
    Threads::Threads ${CMAKE_DL_LIBS} m)
