// Rows for tables: the usual kinds of keys in one line each.
#pragma once
#include "spec/readers.h"
#include "spec/table.h"

namespace slipway::row {

template <typename T>
using Read = std::function<void(T&, const Node&, Diagnostics&)>;

template <typename T>
Key<T> custom(std::string name, std::string summary, nlohmann::json schema, Read<T> read) {
  Key<T> key;
  key.name = std::move(name);
  key.summary = std::move(summary);
  key.schema = std::move(schema);
  key.read = std::move(read);
  return key;
}

template <typename T>
Key<T> required(Key<T> key) {
  key.required = true;
  return key;
}

// Known from the language, not built: using it is an error with this summary.
template <typename T>
Key<T> planned(std::string name, std::string summary) {
  Key<T> key;
  key.name = std::move(name);
  key.summary = std::move(summary);
  key.planned = true;
  return key;
}

template <typename T>
Key<T> text(std::string name, Text T::*member, std::string summary, bool in_run = false) {
  return custom<T>(std::move(name), std::move(summary), schema_of::text(),
                   [member, in_run](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::text(node, d, in_run)) into.*member = {*value, node.where};
                   });
}
template <typename T>
Key<T> text(std::string name, std::string T::*member, std::string summary) {
  return custom<T>(std::move(name), std::move(summary), schema_of::text(),
                   [member](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::text(node, d)) into.*member = *value;
                   });
}
template <typename T, typename Flag>
Key<T> flag(std::string name, Flag T::*member, std::string summary) {
  return custom<T>(std::move(name), std::move(summary), schema_of::flag(),
                   [member](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::flag(node, d)) into.*member = *value;
                   });
}
template <typename T, typename Number>
Key<T> number(std::string name, Number T::*member, std::int64_t least, std::int64_t most,
              std::string summary) {
  return custom<T>(std::move(name), std::move(summary), schema_of::number(least, most),
                   [=](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::number(node, d, least, most))
                       into.*member = static_cast<int>(*value);
                   });
}
template <typename T, typename Span>
Key<T> duration(std::string name, Span T::*member, std::string summary) {
  return custom<T>(std::move(name), std::move(summary), schema_of::duration(),
                   [member](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::duration(node, d)) into.*member = *value;
                   });
}
template <typename T>
Key<T> word(std::string name, std::string T::*member, std::vector<std::string> words, std::string summary) {
  auto schema = schema_of::one_of(words);
  return custom<T>(std::move(name), std::move(summary), std::move(schema),
                   [member, words = std::move(words)](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::one_of(node, d, words)) into.*member = *value;
                   });
}
template <typename T>
Key<T> texts(std::string name, std::vector<Text> T::*member, std::string summary, bool or_one = false,
             bool in_run = false) {
  return custom<T>(std::move(name), std::move(summary), schema_of::texts(or_one),
                   [=](T& into, const Node& node, Diagnostics& d) {
                     into.*member = read::texts(node, d, or_one, in_run);
                   });
}
template <typename T>
Key<T> strings(std::string name, std::vector<std::string> T::*member, std::string summary,
               bool or_one = false) {
  return custom<T>(
      std::move(name), std::move(summary), schema_of::texts(or_one),
      [=](T& into, const Node& node, Diagnostics& d) { into.*member = read::strings(node, d, or_one); });
}
template <typename T>
Key<T> string_map(std::string name, std::map<std::string, std::string> T::*member, std::string summary) {
  return custom<T>(
      std::move(name), std::move(summary), schema_of::string_map(),
      [member](T& into, const Node& node, Diagnostics& d) { into.*member = read::string_map(node, d); });
}
template <typename T>
Key<T> values(std::string name, Values T::*member, std::string summary, bool paths = false) {
  return custom<T>(
      std::move(name), std::move(summary), schema_of::values(),
      [=](T& into, const Node& node, Diagnostics& d) { into.*member = read::values(node, d, paths); });
}
template <typename T>
Key<T> secret(std::string name, Text T::*member, std::string summary) {
  return custom<T>(std::move(name), std::move(summary), schema_of::secret(),
                   [member](T& into, const Node& node, Diagnostics& d) {
                     if (auto value = read::secret(node, d)) into.*member = *value;
                   });
}
// A section of named things: {NAME: {…}}.
template <typename T, typename Item>
Key<T> section(std::string name, Named<Item> T::*member, const Table<Item>& (*table)(), std::string summary) {
  return custom<T>(
      std::move(name), std::move(summary), schema_of::map_of({{"$ref", "#/definitions/" + table().title}}),
      [member, table](T& into, const Node& node, Diagnostics& d) {
        if (node.is_null()) return;
        if (!node.is_mapping()) {
          d.error(node.where, fmt::format("this must be a mapping of names, not {}", node.describe()));
          return;
        }
        for (const auto& one : node.members) {
          if (one.key.starts_with("x-") || !read::name(one, table().title, d)) continue;
          Item item;
          item.name = one.key;
          item.where = one.where;
          item.where.length = static_cast<int>(one.key.size());
          if (!one.value->is_null()) table().read(item, *one.value, d);
          (into.*member).add(std::move(item));
        }
      });
}

}  // namespace slipway::row
