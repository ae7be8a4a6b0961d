# weft_embed(LIBRARY NAME FOLDER EXTENSION): every FOLDER/*.EXTENSION becomes a row of
#   const struct weft_embedded weft_NAME[] = {{"file.net", "text", length}, ..., {0}};
# in generated/NAME.c, which joins LIBRARY.
function(weft_embed library name folder extension)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.${extension})
  set(out ${CMAKE_BINARY_DIR}/generated/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake VERBATIM)
  set(${library}_GENERATED ${${library}_GENERATED} ${out} PARENT_SCOPE)
endfunction()
