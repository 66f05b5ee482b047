# Flags for weir's own targets; nothing global.
function(weir_compile_options target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
        POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
        -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -fstack-protector-strong)
    if(CMAKE_C_COMPILER_ID STREQUAL GNU) # texts for people are cut to their place on purpose
        target_compile_options(${target} PRIVATE -Wno-format-truncation)
    endif()
    if(WEIR_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT WEIR_SANITIZE)
        target_compile_options(${target} PRIVATE -D_FORTIFY_SOURCE=2 -fstack-clash-protection)
    endif()
    if(WEIR_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer
            -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${WEIR_SANITIZE})
    endif()
    if(WEIR_COVERAGE)
        target_compile_options(${target} PRIVATE --coverage)
        target_link_options(${target} PRIVATE --coverage)
    endif()
    if(WEIR_LAYER) # small, and the same bytes wherever it is built
        target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections
            -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
        target_link_options(${target} PRIVATE -Wl,--gc-sections -Wl,--build-id=sha1)
    endif()
    target_link_options(${target} PRIVATE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endfunction()
