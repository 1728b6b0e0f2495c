# Writes OUTPUT, a C++ source with the operations and the migrations of FOLDER for DIALECT (see embedded.hpp).
file(READ ${FOLDER}/operations.sql operations)
file(GLOB migrations ${FOLDER}/migrations/*.sql)
list(SORT migrations)
set(rows "")
set(expected 1)
foreach(path ${migrations})
  get_filename_component(name ${path} NAME)
  if(NOT name MATCHES "^([0-9][0-9][0-9])_[a-z0-9_]+\\.sql$")
    message(FATAL_ERROR "${path}: a migration is named NNN_what_it_does.sql")
  endif()
  math(EXPR number "1${CMAKE_MATCH_1} - 1000")
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${path}: migration ${expected} is missing")
  endif()
  math(EXPR expected "${expected} + 1")
  file(READ ${path} text)
  string(APPEND rows "    {${number}, \"${name}\", R\"sql(${text})sql\"},\n")
endforeach()
file(WRITE ${OUTPUT}.new "#include \"store/sql/embedded.hpp\"

namespace calbridge::store::sql {

std::string_view ${DIALECT}Operations() {
  return R\"sql(${operations})sql\";
}

std::span<const Migration> ${DIALECT}Migrations() {
  static const Migration kMigrations[] = {
${rows}  };
  return kMigrations;
}

} // namespace calbridge::store::sql
")
file(RENAME ${OUTPUT}.new ${OUTPUT})
