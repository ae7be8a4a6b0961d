# The runtime stubs that the weft command carries and `weft build` makes programs from: weft_stub (an executable) and
# weft_stub_library. They need libc and libm alone, so png, jpeg, zlib and jansson come from their archives; small code before
# fast code, since kernels bring their own. Never sanitized: what they hold is tested as libraries.
function(weft_archive variable name)
  find_library(${variable} NAMES lib${name}.a REQUIRED)
  set(${variable} ${${variable}} PARENT_SCOPE)
endfunction()
weft_archive(STUB_JANSSON jansson)
weft_archive(STUB_PNG png16)
weft_archive(STUB_JPEG jpeg)
weft_archive(STUB_ZLIB z)
set(stub_archives ${STUB_JANSSON} ${STUB_PNG} ${STUB_JPEG} ${STUB_ZLIB} m)
set(stub_flags -Os -g0 -ffunction-sections -fdata-sections -fno-sanitize=all)
set(stub_link -s -fno-sanitize=all LINKER:--gc-sections LINKER:--build-id LINKER:-z,defs LINKER:--as-needed)

set(stub_sources)
foreach(part weft_base weft_runtime weft_command)
  get_target_property(sources ${part} SOURCES)
  list(APPEND stub_sources ${sources})
endforeach()
add_library(weft_stub_objects OBJECT ${stub_sources} runtime/standalone/payload.c runtime/standalone/slot.c)
target_include_directories(weft_stub_objects PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/runtime/include)
target_include_directories(weft_stub_objects SYSTEM PRIVATE ${JANSSON_INCLUDE_DIRS} ${PNG_INCLUDE_DIRS} ${JPEG_INCLUDE_DIRS} ${ZLIB_INCLUDE_DIRS})
target_compile_options(weft_stub_objects PUBLIC ${stub_flags})

add_executable(weft_stub runtime/standalone/program.c)
target_link_libraries(weft_stub PRIVATE weft_stub_objects ${stub_archives})
target_link_options(weft_stub PRIVATE ${stub_link})

add_library(weft_stub_library MODULE runtime/standalone/library.c)
target_link_libraries(weft_stub_library PRIVATE weft_stub_objects ${stub_archives})
set(stub_exports ${CMAKE_SOURCE_DIR}/runtime/standalone/exports.map)
set_target_properties(weft_stub_library PROPERTIES PREFIX "" LINK_DEPENDS ${stub_exports})
target_link_options(weft_stub_library PRIVATE ${stub_link} LINKER:--wrap=stdin LINKER:--wrap=stdout LINKER:--wrap=stderr LINKER:-Bsymbolic
  LINKER:--hash-style=sysv LINKER:--version-script=${stub_exports} LINKER:-soname=weft_slot_library________________________________________________)
