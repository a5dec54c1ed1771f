# Writes a C++ file whose function holds every file of FOLDER:
#     cmake -DFOLDER=… -DFUNCTION=… -DOUTPUT=… -P embed.cmake
file(GLOB_RECURSE files LIST_DIRECTORIES false RELATIVE ${FOLDER} ${FOLDER}/*)
list(FILTER files EXCLUDE REGEX "__pycache__")
list(SORT files)
set(text "// Made by cmake/embed.cmake.\n#include \"cli/templates.h\"\n\nnamespace slipway::cli {\n\n")
string(APPEND text "const std::vector<TemplateFile>& ${FUNCTION}() {\n  static const std::vector<TemplateFile> files = {\n")
foreach(file IN LISTS files)
  file(READ ${FOLDER}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  # A literal a line; the compiler joins them.
  string(REPLACE "\\x0a" "\\x0a\"\n\"" bytes "${bytes}")
  file(SIZE ${FOLDER}/${file} size)
  string(APPEND text "      {\"${file}\", std::string_view(\n\"${bytes}\", ${size})},\n")
endforeach()
string(APPEND text "  };\n  return files;\n}\n\n}  // namespace slipway::cli\n")
file(WRITE ${OUTPUT} "${text}")
