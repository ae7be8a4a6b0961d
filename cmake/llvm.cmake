# weft_llvm: LLVM's C API, by stubs that load the shared library when the first is called (codegen/llvm/load_llvm.h), or
# (WEFT_STATIC_LLVM) from the X86 and NVPTX archives.
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE llvm_include OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --libdir OUTPUT_VARIABLE llvm_libdir OUTPUT_STRIP_TRAILING_WHITESPACE)
add_library(weft_llvm STATIC codegen/llvm/load_llvm.c)
target_include_directories(weft_llvm PRIVATE ${CMAKE_SOURCE_DIR})
target_include_directories(weft_llvm SYSTEM INTERFACE ${llvm_include})
if(WEFT_STATIC_LLVM)
  target_compile_definitions(weft_llvm PRIVATE WEFT_STATIC_LLVM)
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
  get_filename_component(llvm_file ${LLVM_SHARED} REALPATH)
  get_filename_component(llvm_soname ${llvm_file} NAME)   # libLLVM.so.22.1
  target_compile_definitions(weft_llvm PRIVATE WEFT_LLVM_SONAME="${llvm_soname}" WEFT_LLVM_FILE="${llvm_file}")
  enable_language(ASM)
  set(llvm_stubs ${CMAKE_BINARY_DIR}/generated/codegen/llvm_stubs.S)
  file(GLOB llvm_users CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/codegen/*.c ${CMAKE_SOURCE_DIR}/codegen/*.h)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/codegen)
  add_custom_command(OUTPUT ${llvm_stubs}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${CMAKE_SOURCE_DIR}/codegen -DLIBRARY=${llvm_file} -DNM=${CMAKE_NM} -DOUT=${llvm_stubs}
            -P ${CMAKE_SOURCE_DIR}/cmake/llvm_stubs.cmake
    DEPENDS ${llvm_users} ${CMAKE_SOURCE_DIR}/cmake/llvm_stubs.cmake VERBATIM)
  target_sources(weft_llvm PRIVATE ${llvm_stubs})
  target_link_libraries(weft_llvm PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
endif()
