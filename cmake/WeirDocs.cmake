# Man pages and completions, made by the built program from its own tables.
find_package(Python3 3.9 COMPONENTS Interpreter)
if(NOT Python3_FOUND OR CMAKE_CROSSCOMPILING OR WEIR_LAYER OR WEIR_SANITIZE)
    return()
endif()
set(man_dir ${PROJECT_BINARY_DIR}/man)
set(completion_dir ${PROJECT_BINARY_DIR}/completions)
add_custom_command(OUTPUT ${man_dir}/weir.1
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/docs man $<TARGET_FILE:weir> ${man_dir}
    DEPENDS weir ${PROJECT_SOURCE_DIR}/scripts/docs ${PROJECT_SOURCE_DIR}/docs/man/weir-plugin.7
    COMMENT "Man pages" VERBATIM)
set(completions bash/weir zsh/_weir fish/weir.fish)
foreach(file ${completions})
    get_filename_component(shell ${file} DIRECTORY)
    file(MAKE_DIRECTORY ${completion_dir}/${shell})
    add_custom_command(OUTPUT ${completion_dir}/${file}
        COMMAND $<TARGET_FILE:weir> completion ${shell} > ${completion_dir}/${file}
        DEPENDS weir COMMENT "Completion for ${shell}" VERBATIM)
endforeach()
list(TRANSFORM completions PREPEND ${completion_dir}/)
add_custom_target(weir_docs ALL DEPENDS ${man_dir}/weir.1 ${completions})

foreach(section 1 5 7)
    install(DIRECTORY ${man_dir}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
        FILES_MATCHING PATTERN "*.${section}")
endforeach()
install(FILES ${completion_dir}/bash/weir DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion_dir}/zsh/_weir DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${completion_dir}/fish/weir.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
