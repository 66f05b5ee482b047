# What is installed to run weir, component `weir`: the program (core), the bundled plugins, the systemd
# unit. The kit of a plugin author is in WeirKit.cmake.
foreach(plugin ${WEIR_PLUGINS})
    if(TARGET ${plugin})
        install(TARGETS ${plugin} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/weir/plugins
            COMPONENT weir)
    endif()
endforeach()
if(TARGET kafka) # a package of its own, since it brings librdkafka
    install(TARGETS kafka LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/weir/plugins COMPONENT weir-kafka)
    install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/weir-kafka RENAME copyright
        COMPONENT weir-kafka)
endif()

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT weir)
install(FILES README.md CHANGELOG.md SECURITY.md deploy/weir.json
    DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT weir)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT weir FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
# Where systemd looks, which is no matter of the prefix; an installation beside a system has its own.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    install(FILES deploy/systemd/weir.service DESTINATION lib/systemd/system COMPONENT weir)
endif()
