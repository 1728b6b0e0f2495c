# Puts the files of web/assets/ into calbridge_http.
set(web_folder ${CMAKE_CURRENT_LIST_DIR}/assets)
set(web_embedded ${CMAKE_BINARY_DIR}/generated/embedded_web_files.cpp)
file(GLOB web_files CONFIGURE_DEPENDS ${web_folder}/*)
add_custom_command(OUTPUT ${web_embedded}
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${web_folder} -DOUTPUT=${web_embedded} -DHEADER=http/web/embedded_file.hpp
          -DNAMESPACE=calbridge::http -DTYPE=EmbeddedFile -DFUNCTION=embeddedWebFiles
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
  DEPENDS ${web_files} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
  COMMENT "Embedding the pages" VERBATIM)
target_sources(calbridge_http PRIVATE ${web_embedded})
