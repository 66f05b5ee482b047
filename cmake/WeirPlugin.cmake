# weir_add_plugin(NAME SOURCES file... [LIBRARIES target...]): a loadable sink, NAME.so, that exports
# one symbol. Installed with the package, so that outside plugins are built with the same flags.
set(WEIR_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/weir-plugin.map)
function(weir_add_plugin name)
    cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_library(${name} MODULE ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden LINK_DEPENDS ${WEIR_PLUGIN_EXPORTS})
    target_link_libraries(${name} PRIVATE weir::plugin ${arg_LIBRARIES})
    if(NOT WEIR_SANITIZE)
        target_link_options(${name} PRIVATE -Wl,-z,defs)
    endif()
    target_link_options(${name} PRIVATE -Wl,--version-script=${WEIR_PLUGIN_EXPORTS}
        -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endfunction()
