# weir_add_plugin(NAME SOURCES file... [LIBRARIES target...]): a loadable sink, NAME.so, that exports
# one symbol and is hardened. weir_add_plugin_test(NAME PLUGIN plugin SOURCES file...): a program against
# weir/test.h and its CTest entry; PLUGIN is defined there as the built file's path. Installed with the
# package, so that outside plugins are built with the same flags.
set(WEIR_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/weir-plugin.map)
function(weir_add_plugin name)
    cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_library(${name} MODULE ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON
        LINK_DEPENDS ${WEIR_PLUGIN_EXPORTS})
    target_link_libraries(${name} PRIVATE weir::plugin ${arg_LIBRARIES})
    target_compile_options(${name} PRIVATE -fstack-protector-strong)
    if(NOT WEIR_SANITIZE)
        target_link_options(${name} PRIVATE -Wl,-z,defs)
        target_compile_options(${name} PRIVATE
            "$<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=2;-fstack-clash-protection>")
    endif()
    target_link_options(${name} PRIVATE -Wl,--version-script=${WEIR_PLUGIN_EXPORTS}
        -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endfunction()

function(weir_add_plugin_test name)
    cmake_parse_arguments(arg "" "PLUGIN" "SOURCES" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    add_dependencies(${name} ${arg_PLUGIN})
    target_link_libraries(${name} PRIVATE weir::test)
    target_compile_definitions(${name} PRIVATE PLUGIN="$<TARGET_FILE:${arg_PLUGIN}>")
    add_test(NAME ${name} COMMAND ${name})
endfunction()
