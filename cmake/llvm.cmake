# weft_llvm: LLVM's C API, from the shared library or (WEFT_STATIC_LLVM) from the X86 and NVPTX archives.
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE llvm_include OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --libdir OUTPUT_VARIABLE llvm_libdir OUTPUT_STRIP_TRAILING_WHITESPACE)
add_library(weft_llvm INTERFACE)
target_include_directories(weft_llvm SYSTEM INTERFACE ${llvm_include})
if(WEFT_STATIC_LLVM)
  execute_process(COMMAND ${LLVM_CONFIG} --link-static --libs x86 nvptx passes OUTPUT_VARIABLE llvm_libs OUTPUT_STRIP_TRAILING_WHITESPACE)
  separate_arguments(llvm_libs)
  # What LLVM's archives need of the system, as archives too. libz3 and libxml2, which llvm-config also names, serve parts of LLVM
  # that nothing here reaches (the static analyser, Windows manifests).
  find_library(ZSTD_ARCHIVE libzstd.a REQUIRED)
  find_library(ZLIB_ARCHIVE libz.a REQUIRED)
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libstdc++.a OUTPUT_VARIABLE stdcxx_archive OUTPUT_STRIP_TRAILING_WHITESPACE)
  target_link_directories(weft_llvm INTERFACE ${llvm_libdir})
  target_link_libraries(weft_llvm INTERFACE ${llvm_libs} ${ZSTD_ARCHIVE} ${ZLIB_ARCHIVE} rt dl m Threads::Threads
                        ${stdcxx_archive} -static-libgcc -Wl,--gc-sections)
else()
  find_library(LLVM_SHARED NAMES LLVM-22 LLVM PATHS ${llvm_libdir} NO_DEFAULT_PATH REQUIRED)
  target_link_libraries(weft_llvm INTERFACE ${LLVM_SHARED})
endif()
