// Keys of services that only clusters know: own manifests, autoscalers, accounts.
#include "spec/rows.h"
#include "spec/tables.h"

namespace slipway {

namespace {

Key<Service> manifests() {
  return row::custom<Service>(
      "manifests",
      "own objects of clusters instead of made ones: files (globs), {kustomize: FOLDER}, or {command: "
      "[argv]} that "
      "prints them",
      {{"anyOf",
        {schema_of::texts(true),
         {{"type", "object"},
          {"properties",
           {{"files", schema_of::texts(true)},
            {"kustomize", schema_of::text()},
            {"command", schema_of::texts(true)}}},
          {"additionalProperties", false}}}}},
      [](Service& into, const Node& node, Diagnostics& d) {
        static const Table<Manifests> table = {"`manifests` of a service",
                                               "",
                                               {row::strings("files", &Manifests::files, "", true),
                                                row::text("kustomize", &Manifests::kustomize, ""),
                                                row::strings("command", &Manifests::command, "", true)}};
        Manifests found;
        found.where = node.where;
        if (node.is_mapping()) {
          table.read(found, node, d);
          if (found.files.empty() && found.command.empty() && found.kustomize.empty())
            d.error(node.where, "one of `files`, `kustomize` and `command` is missing");
        } else {
          found.files = read::strings(node, d, true);
        }
        into.manifests = std::move(found);
      });
}

// "70%" or 70
Key<Autoscale> percent(std::string name, std::optional<int> Autoscale::*member) {
  return row::custom<Autoscale>(
      std::move(name), "", {}, [member](Autoscale& into, const Node& node, Diagnostics& d) {
        auto text = node.is_scalar() ? node.text : "";
        if (text.ends_with('%')) text.pop_back();
        const bool digits =
            !text.empty() && text.size() < 5 && text.find_first_not_of("0123456789") == std::string::npos;
        if (digits && std::stoi(text) >= 1 && std::stoi(text) <= 1'000)
          into.*member = std::stoi(text);
        else
          d.error(node.where,
                  fmt::format("this must be a share of what is requested, not {}", node.describe()),
                  "write `70%`");
      });
}

nlohmann::json percent_schema() {
  return {{"type", {"string", "integer"}}, {"pattern", "^[0-9]+%?$"}};
}

Key<Service> autoscale() {
  return row::custom<Service>(
      "autoscale", "{min: 2, max: 10, cpu: 70%, memory: 80%} of what a replica requests, on clusters",
      {{"type", "object"},
       {"properties",
        {{"min", schema_of::number(1, 1'000)},
         {"max", schema_of::number(1, 1'000)},
         {"cpu", percent_schema()},
         {"memory", percent_schema()}}},
       {"required", {"max"}},
       {"additionalProperties", false}},
      [](Service& into, const Node& node, Diagnostics& d) {
        static const Table<Autoscale> table = {
            "autoscaler",
            "",
            {row::number("min", &Autoscale::min, 1, 1'000, ""),
             row::required(row::number("max", &Autoscale::max, 1, 1'000, "")),
             percent("cpu", &Autoscale::cpu), percent("memory", &Autoscale::memory)}};
        Autoscale found;
        found.where = node.where;
        table.read(found, node, d);
        if (found.max > 0 && found.min > found.max)
          d.error(node.where, fmt::format("`min` {} is more than `max` {}", found.min, found.max));
        if (!found.cpu && !found.memory) found.cpu = 70;
        into.autoscale = std::move(found);
      });
}

Key<Service> service_account() {
  return row::custom<Service>(
      "service_account",
      "who it is to its cluster: the name of an account, or {annotations: {…}, token: true} that makes one",
      {{"anyOf",
        {schema_of::text(),
         {{"type", "object"},
          {"properties",
           {{"name", schema_of::text()},
            {"annotations", schema_of::string_map()},
            {"token", schema_of::flag()}}},
          {"additionalProperties", false}}}}},
      [](Service& into, const Node& node, Diagnostics& d) {
        static const Table<ServiceAccount> table = {
            "account",
            "",
            {row::text("name", &ServiceAccount::name, ""),
             row::string_map("annotations", &ServiceAccount::annotations, ""),
             row::flag("token", &ServiceAccount::token, "")}};
        ServiceAccount found;
        found.where = node.where;
        if (node.is_mapping())
          table.read(found, node, d);
        else if (auto name = read::text(node, d))
          found.name = {*name, node.where};
        if (!found.name.empty() && !found.annotations.empty())
          d.error(node.where, "an account of another's making is not annotated here",
                  "take `name` out: slipway makes one that is named as the service");
        into.service_account = std::move(found);
      });
}

}  // namespace

std::vector<Key<Service>> cluster_keys() {
  return {manifests(), autoscale(), service_account()};
}

}  // namespace slipway
