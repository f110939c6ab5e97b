# SPDX-License-Identifier: Apache-2.0
# Writes a C++ source that holds files: cmake -D OUTPUT=... -D ARRAY=... -D HEADER=... -D FOLDER=...
# -D FILES=a,b -P embed.cmake. See headgate_embed().
string(REPLACE "," ";" files "${FILES}")
set(bytes "")
set(table "")
set(number 0)
foreach(file ${files})
  file(READ ${FOLDER}/${file} hex HEX)
  file(SHA256 ${FOLDER}/${file} digest)
  string(SUBSTRING ${digest} 0 16 digest)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," hex "${hex}")
  string(REGEX REPLACE "((........){14})" "\\1\n    " hex "${hex}")
  string(APPEND bytes "constexpr char kFile${number}[] = {\n    ${hex}};\n")
  get_filename_component(name ${file} NAME)
  string(APPEND table
    "    {\"${name}\", \"\\\"${digest}\\\"\", {kFile${number}, sizeof(kFile${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Generated from the files of ${FOLDER}.
#include \"${HEADER}\"

namespace headgate {

namespace {

${bytes}
constexpr EmbeddedFile kFiles[] = {
${table}};

}  // namespace

const std::span<const EmbeddedFile> ${ARRAY}{kFiles};

}  // namespace headgate
")
