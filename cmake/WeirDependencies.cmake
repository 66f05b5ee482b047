# What weir is built with and the least version of each; docs/quickstart.md names them.
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.40)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
if(WEIR_SQLITE)
    pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.34)
endif()
# Those below are left out where they are missing; one that is there but too old is told.
if(NOT WEIR_LAYER)
    pkg_check_modules(ZSTD IMPORTED_TARGET libzstd>=1.4) # compressed files of the sink file
endif()
if(NOT WEIR_LAYER AND NOT CMAKE_CROSSCOMPILING)
    pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka>=1.9) # the sink kafka
endif()
