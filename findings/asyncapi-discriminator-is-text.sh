#!/usr/bin/env bash
# AsyncAPI 3: a schema's "discriminator" is a text, the name of a field; OpenAPI's, which msgspec writes into every union of
# tagged structs, is an object. A document with the object is refused whole, and the messages point elsewhere ("payload" has to match
# "else").
#
# Seen (@asyncapi/parser 3.6.6, Node.js):
#   an object: refused, "discriminator" property type must be string
#   a text: taken
#   none: taken
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @asyncapi/parser@3.6.6 >/dev/null 2>&1
cat > run.mjs <<'JAVASCRIPT'
import parser from "@asyncapi/parser";

const kind = (name) => ({ type: "object", properties: { type: { const: name } }, required: ["type"] });
async function said(discriminator) {
  const payload = { anyOf: [kind("a"), kind("b")], ...(discriminator && { discriminator }) };
  const text = JSON.stringify({
    asyncapi: "3.0.0",
    info: { title: "t", version: "1" },
    channels: { one: { address: "/", messages: { m: { payload } } } },
  });
  const { document, diagnostics } = await new parser.Parser().parse(text);
  const errors = diagnostics.filter((one) => one.severity === 0).map((one) => one.message);
  return document ? "taken" : `refused, ${errors.find((one) => one.includes("discriminator"))}`;
}
console.log("an object:", await said({ propertyName: "type" }));
console.log("a text:", await said("type"));
console.log("none:", await said());
JAVASCRIPT
node run.mjs | tee seen.txt
diff - seen.txt <<'SEEN'
an object: refused, "discriminator" property type must be string
a text: taken
none: taken
SEEN
