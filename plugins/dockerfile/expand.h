// Variables in the arguments of instructions: $name, ${name}, and the operators of a shell that BuildKit
// knows.
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace slipway::dockerfile {

using Variables = std::map<std::string, std::string>;

// `text` with quotes and escapes resolved and variables replaced: - :- + :+ ? :? # ## % %% / //. What is not
// set is empty. Throws Error(usage) on `${x:?why}`, an unknown operator or a missing brace.
std::string expand(std::string_view text, const Variables& variables, char escape = '\\');

// The same inside a heredoc: quotes stay as they are.
std::string expand_heredoc(std::string_view text, const Variables& variables, char escape = '\\');

}  // namespace slipway::dockerfile
