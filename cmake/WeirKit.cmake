# The kit of a plugin author, component `weir-plugin-dev`: headers, the test library, the CMake package
# `weir` (weir::plugin, weir::test, weir_add_plugin, weir_add_plugin_test), weir-plugin.pc, weir-test.pc.
include(CMakePackageConfigHelpers)
include(WeirTestLibrary)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(DIRECTORY include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT weir-plugin-dev
    FILES_MATCHING PATTERN "*.h")
install(FILES ${WEIR_TEST_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT weir-plugin-dev)

# All paths are told relative to the file that names them, so that a moved installation still fits.
file(RELATIVE_PATH to_prefix /${package_dir} /)
string(CONCAT config_text
    "get_filename_component(_weir_prefix \"\${CMAKE_CURRENT_LIST_DIR}/${to_prefix}\" ABSOLUTE)\n"
    "include(CMakeFindDependencyMacro)\n"
    "find_dependency(Threads)\n"
    "if(NOT TARGET weir::plugin)\n"
    "    add_library(weir::plugin INTERFACE IMPORTED)\n"
    "    target_include_directories(weir::plugin INTERFACE\n"
    "        \"\${_weir_prefix}/${CMAKE_INSTALL_INCLUDEDIR}\")\n"
    "    add_library(weir::test STATIC IMPORTED)\n"
    "    set_target_properties(weir::test PROPERTIES\n"
    "        IMPORTED_LOCATION \"\${_weir_prefix}/${CMAKE_INSTALL_LIBDIR}/libweir-test.a\")\n"
    "    target_link_libraries(weir::test INTERFACE\n"
    "        weir::plugin Threads::Threads \${CMAKE_DL_LIBS} m)\n"
    "endif()\n"
    "set(weir_PLUGIN_DIR \"\${_weir_prefix}/${CMAKE_INSTALL_LIBDIR}/weir/plugins\")\n"
    "include(\${CMAKE_CURRENT_LIST_DIR}/WeirPlugin.cmake)\n")
file(WRITE ${PROJECT_BINARY_DIR}/weirConfig.cmake "${config_text}")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weirConfig.cmake ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
    cmake/WeirPlugin.cmake cmake/weir-plugin.map DESTINATION ${package_dir}
    COMPONENT weir-plugin-dev)

file(RELATIVE_PATH to_prefix /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" to_prefix ${to_prefix})
string(CONCAT pc_head
    "prefix=\${pcfiledir}/${to_prefix}\n"
    "includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}\n"
    "libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}\n"
    "plugindir=\${libdir}/weir/plugins\n"
    "exports=\${libdir}/cmake/weir/weir-plugin.map\n\n")
file(WRITE ${PROJECT_BINARY_DIR}/weir-plugin.pc "${pc_head}"
    "Name: weir-plugin\nDescription: Headers for plugins of weir\nVersion: ${WEIR_VERSION}\n"
    "Cflags: -I\${includedir}\n")
file(WRITE ${PROJECT_BINARY_DIR}/weir-test.pc "${pc_head}"
    "Name: weir-test\nDescription: Tests of plugins of weir\nVersion: ${WEIR_VERSION}\n"
    "Cflags: -I\${includedir}\nLibs: -L\${libdir} -lweir-test -lpthread -ldl -lm\n")
install(FILES ${PROJECT_BINARY_DIR}/weir-plugin.pc ${PROJECT_BINARY_DIR}/weir-test.pc
    DESTINATION ${pkgconfig_dir} COMPONENT weir-plugin-dev)
