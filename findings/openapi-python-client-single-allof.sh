#!/usr/bin/env bash
# openapi-python-client 0.29.1: of a schema with one `allOf` and `properties` beside it, the
# properties are dropped without a warning, also with --fail-on-warning. No class is generated
# for the schema; where it is used, the class of the `allOf` stands instead. With the properties
# as a second element of `allOf`, which means the same, both are there.
#
# One would guess that what a generator cannot read is a warning. (A single `allOf` is taken for
# a reference with a description, as OpenAPI 3.0 wrote it.)
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'openapi-python-client==0.29.1'
cd "$place"

document() { # the schema of Dog
  cat <<JSON
{"openapi": "3.1.0", "info": {"title": "Animals", "version": "1"},
 "paths": {"/dog": {"get": {"operationId": "get_dog", "responses": {"200": {
   "description": "OK", "content": {"application/json": {
     "schema": {"\$ref": "#/components/schemas/Dog"}}}}}}}},
 "components": {"schemas": {
   "Animal": {"type": "object", "required": ["name"],
              "properties": {"name": {"type": "string"}}},
   "Dog": $1}}}
JSON
}
own='"type": "object", "required": ["breed"], "properties": {"breed": {"type": "string"}}'
document '{"allOf": [{"$ref": "#/components/schemas/Animal"}], '"$own"'}' > beside.json
document '{"allOf": [{"$ref": "#/components/schemas/Animal"}, {'"$own"'}]}' > within.json

for form in beside within; do
  PATH="$place/venv/bin:$PATH" openapi-python-client generate --fail-on-warning --meta=none \
    --path="$form.json" --output-path="$place/client_$form" > "$form.log"
  grep -qi warning "$form.log" && { echo "$form: there is a warning now"; exit 1; }
  found=$(cat "client_$form"/models/*.py | grep -c 'breed: str' || true)
  echo "members beside or within allOf: $form; classes with 'breed': $found"
done
[ -z "$(grep -l 'breed: str' client_beside/models/*.py)" ] && [ -f client_within/models/dog.py ] ||
  { echo "Changed: the properties beside allOf are there."; exit 1; }
