# Debian packages, one a component: weir, weir-plugin-dev, and weir-kafka where librdkafka is found. `cpack` in the build folder of preset `package`
# makes them; scripts/package does all of it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR weir)
set(CPACK_PACKAGE_CONTACT "weir maintainers <weir@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "DynamoDB Streams router")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL weir weir-plugin-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
if(TARGET kafka)
    list(APPEND CPACK_COMPONENTS_ALL weir-kafka)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_WEIR_PACKAGE_NAME weir)
set(CPACK_DEBIAN_WEIR_PACKAGE_SHLIBDEPS ON) # asks dpkg-shlibdeps what each file needs
set(CPACK_DEBIAN_WEIR_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_WEIR_DESCRIPTION
    "Takes the change records of a DynamoDB table's stream and hands each one to the
sinks that asked for it: a price history table, a queue, standard output, or a
plugin of one's own. With a systemd unit that starts once /etc/weir/weir.json
exists.")
# Reloads systemd; nothing is started by an installation that has no configuration yet.
set(CPACK_DEBIAN_WEIR_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/deploy/debian/postinst ${PROJECT_SOURCE_DIR}/deploy/debian/prerm
    ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
set(CPACK_DEBIAN_WEIR_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_WEIR-PLUGIN-DEV_PACKAGE_NAME weir-plugin-dev)
set(CPACK_DEBIAN_WEIR-PLUGIN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_WEIR-PLUGIN-DEV_DESCRIPTION
    "The headers, the test library, the CMake package and the pkg-config files that a
plugin of weir is built with.")
set(CPACK_DEBIAN_WEIR_PACKAGE_SUGGESTS weir-kafka)
set(CPACK_DEBIAN_WEIR-KAFKA_PACKAGE_NAME weir-kafka)
set(CPACK_DEBIAN_WEIR-KAFKA_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_WEIR-KAFKA_PACKAGE_DEPENDS "weir (= ${WEIR_VERSION})")
set(CPACK_DEBIAN_WEIR-KAFKA_DESCRIPTION
    "The sink kafka of weir, which sends records to a topic of Apache Kafka.")
include(CPack)
