// slipway schema: the spec language for editors (JSON Schema) and for people (Markdown).
#include "cli/command.h"
#include "spec/schema.h"

namespace slipway::cli {

void add_schema(CLI::App& app, Session&) {
  auto markdown = std::make_shared<bool>(false);
  auto* sub = app.add_subcommand("schema", "print the JSON Schema (draft-07) of slipway.yaml, for editors");
  sub->add_flag("--markdown", *markdown, "print the reference for people instead");
  sub->callback(
      [markdown] { fmt::print("{}", *markdown ? spec_reference() : spec_json_schema().dump(2) + "\n"); });
}

}  // namespace slipway::cli
