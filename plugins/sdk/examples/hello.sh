#!/usr/bin/env bash
# A slipway plugin in bash: says hello to `name`. PROTOCOL.md promises how slipway's requests begin.
request='^\{"id":([0-9]+),"jsonrpc":"2.0","method":"([a-z-]+)"' name='"params":\{"name":"([^"\\]*)"\}'
answer() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
while read -r line; do
  [[ $line =~ $request ]] || continue
  id=${BASH_REMATCH[1]} method=${BASH_REMATCH[2]}
  case $method in
    initialize) answer '"result":{"protocol":{"min":1,"max":1},"name":"hello","version":"1","summary":"Says hello.","actions":[{"name":"greet","summary":"Greets `name`.","cacheable":true,"params":{"type":"object","required":["name"],"additionalProperties":false,"properties":{"name":{"type":"string","pattern":"^[A-Za-z ]+$"}},"examples":[{"name":"World"}]},"outputs":{"type":"object","required":["greeting"],"properties":{"greeting":{"type":"string"}}}}]}' ;;
    run) [[ $line =~ $name ]]
      printf '{"jsonrpc":"2.0","method":"log","params":{"id":%s,"text":"greeting\\n"}}\n' "$id"
      answer '"result":{"ok":true,"outputs":{"greeting":"Hello, '"${BASH_REMATCH[1]}"'!"}}' ;;
    *) answer '"error":{"code":-32601,"message":"unknown method"}' ;;
  esac
done
