# What is installed: the program (core), the bundled plugins, and the kit of a plugin author, component
# `devel`: headers, the CMake package `weir` (weir::plugin, weir_add_plugin) and weir-plugin.pc.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(plugin pricehistory stdout sqs)
    if(TARGET ${plugin})
        install(TARGETS ${plugin} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/weir/plugins)
    endif()
endforeach()

install(DIRECTORY include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel
    FILES_MATCHING PATTERN "*.h")
install(TARGETS weir_headers EXPORT weirTargets COMPONENT devel)
install(EXPORT weirTargets NAMESPACE weir:: DESTINATION ${package_dir} COMPONENT devel)
file(WRITE ${PROJECT_BINARY_DIR}/weirConfig.cmake
    "include(\${CMAKE_CURRENT_LIST_DIR}/weirTargets.cmake)\n"
    "include(\${CMAKE_CURRENT_LIST_DIR}/WeirPlugin.cmake)\n")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
    COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/weirConfig.cmake ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
    cmake/WeirPlugin.cmake cmake/weir-plugin.map DESTINATION ${package_dir} COMPONENT devel)

# The prefix is told relative to the file, so that a moved installation still fits.
file(RELATIVE_PATH to_prefix /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" to_prefix ${to_prefix})
string(CONCAT pc_text
    "prefix=\${pcfiledir}/${to_prefix}\n"
    "includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}\n"
    "plugindir=\${prefix}/${CMAKE_INSTALL_LIBDIR}/weir/plugins\n\n"
    "Name: weir-plugin\nDescription: Headers for plugins of weir\nVersion: ${WEIR_VERSION}\n"
    "Cflags: -I\${includedir}\n")
file(WRITE ${PROJECT_BINARY_DIR}/weir-plugin.pc "${pc_text}")
install(FILES ${PROJECT_BINARY_DIR}/weir-plugin.pc DESTINATION ${pkgconfig_dir} COMPONENT devel)
