# cmake -DFOLDER= -DOUTPUT= -DHEADER= -DNAMESPACE= -DTYPE= -DFUNCTION= -P embed_files.cmake
# Writes OUTPUT, a C++ source that defines `std::span<const TYPE> FUNCTION()` (declared in HEADER, in NAMESPACE) over
# all files of FOLDER as {name, content}. Text files only.
file(GLOB paths ${FOLDER}/*)
list(SORT paths)
set(rows "")
foreach(path ${paths})
  get_filename_component(name "${path}" NAME)
  file(READ "${path}" text)
  string(FIND "${text}" ")embedded\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${path}: holds the end mark of the literal that it is embedded in")
  endif()
  string(APPEND rows "      {\"${name}\", R\"embedded(${text})embedded\"},\n")
endforeach()
file(WRITE "${OUTPUT}.new" "#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::span<const ${TYPE}> ${FUNCTION}() {
  static constexpr ${TYPE} kFiles[] = {
${rows}  };
  return kFiles;
}

} // namespace ${NAMESPACE}
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
