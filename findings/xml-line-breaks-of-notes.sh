#!/usr/bin/env bash
# fast-xml-parser 5.12.1 and xml-js 1.6.11 (npm) write a line break in an attribute as it is: the
# note of an outline (OPML), _note="Milk\nEggs", is "Milk Eggs" for each reader that follows the
# standard, such as Python's xml.etree, with a tab likewise. fast-xml-parser also reads &#10;, which
# others write for it, as these five characters, and writes them as &amp;#10; from then on (it has
# an option for that, which is off).
# xml2js 0.6.2 (npm) and xml.etree write &#10; or &#xA;, and read each other's notes as they were.
#
# XML 1.0, section 3.3.3: a reader makes a space of a line break or tab in an attribute, but not of
# a character reference to one. One would guess that what is written is read back by all.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund fast-xml-parser@5.12.1 xml-js@1.6.11 xml2js@0.6.2 \
    > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { XMLBuilder, XMLParser } from "fast-xml-parser";
import xmlJs from "xml-js";
import xml2js from "xml2js";

const NOTE = "Milk\nEggs\tBread";
const READ = `
import json, sys
from xml.etree import ElementTree
print(json.dumps(ElementTree.fromstring(sys.argv[1]).get("_note")))`;
const WRITE = `
import json, sys
from xml.etree import ElementTree
outline = ElementTree.Element("outline", _note=json.loads(sys.argv[1]))
print(ElementTree.tostring(outline).decode())`;
const python = (code, text) => execFileSync("python3", ["-c", code, text]).toString().trim();
const options = { ignoreAttributes: false, attributeNamePrefix: "@" };
const [builder, parser] = [new XMLBuilder(options), new XMLParser(options)];
const attributes = { _note: NOTE };
const written = {
  "fast-xml-parser": builder.build({ outline: { "@_note": NOTE } }),
  "xml-js": xmlJs.js2xml({ elements: [{ type: "element", name: "outline", attributes }] }),
  xml2js: new xml2js.Builder({ headless: true }).buildObject({ outline: { $: attributes } }),
  "xml.etree": python(WRITE, JSON.stringify(NOTE)),
};
for (const [name, text] of Object.entries(written)) {
  const note = JSON.parse(python(READ, text));
  console.log(`${name} writes ${JSON.stringify(text)}; read by Python: ${JSON.stringify(note)}`);
  const lost = name === "fast-xml-parser" || name === "xml-js";
  assert.strictEqual(note, lost ? "Milk Eggs Bread" : NOTE, "this has changed");
}
const read = parser.parse(written["xml.etree"]);
const again = builder.build(read);
console.log(`fast-xml-parser makes of Python's ${again}`);
assert.match(read.outline["@_note"], /^Milk&#10;Eggs&#0?9;Bread$/, "this has changed");
assert.match(again, /Milk&amp;#10;Eggs/, "this has changed");
const others = await xml2js.parseStringPromise(written["xml.etree"]);
assert.strictEqual(others.outline.$._note, NOTE, "this has changed");
JAVASCRIPT
node check.mjs
