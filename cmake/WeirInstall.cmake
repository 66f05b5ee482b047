# What is installed to run weir: the program (core) and the bundled plugins. The kit of a plugin author is
# in WeirKit.cmake.
foreach(plugin pricehistory stdout sqs)
    if(TARGET ${plugin})
        install(TARGETS ${plugin} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/weir/plugins)
    endif()
endforeach()
