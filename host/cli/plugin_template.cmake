# Puts sdk/template and sdk/template-c into calbridge_cli, for `calbridge plugins new`.
foreach(template template template-c)
  set(folder ${CMAKE_SOURCE_DIR}/sdk/${template})
  set(embedded ${CMAKE_BINARY_DIR}/generated/embedded_${template}.cpp)
  if(template STREQUAL "template")
    set(function cppTemplate)
  else()
    set(function cTemplate)
  endif()
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*)
  add_custom_command(OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DOUTPUT=${embedded} -DHEADER=cli/plugin_project.hpp
            -DNAMESPACE=calbridge::cli -DTYPE=TemplateFile -DFUNCTION=${function}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    COMMENT "Embedding sdk/${template}" VERBATIM)
  target_sources(calbridge_cli PRIVATE ${embedded})
endforeach()
