// SPDX-License-Identifier: Apache-2.0
// usage: node kubernetes_objects.mjs NODE_MODULES OBJECTS.json TYPES.ts
// Validates each Kubernetes object with the schema of its apiVersion and kind, and prints a line for each thing
// that is wrong. What a schema does not refuse is a field that it does not know: for these, TYPES.ts is written, in
// which each object is a literal of its type; the compiler refuses such fields.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = ["kubernetes-models", "@kubernetes-models/prometheus-operator", "@kubernetes-models/gateway-api"];

function moduleOf(modules, object) {
    const path = join(object.apiVersion, `${object.kind}.js`);
    const found = PACKAGES.map((name) => join(modules, name, path)).find(existsSync);
    if (!found) throw new Error(`no schema of ${object.apiVersion} ${object.kind}`);
    return found;
}

const nameOf = (object) => `${object.kind} ${object.metadata.name}`;

const [modules, objectsPath, typesPath] = process.argv.slice(2);
const objects = JSON.parse(readFileSync(objectsPath, "utf8"));
const lines = [];
let wrong = 0;

for (const [number, object] of objects.entries()) {
    try {
        const path = moduleOf(modules, object);
        lines.push(`import type { I${object.kind} as T${number} } from ${JSON.stringify(path)};`);
        lines.push(`export const object${number}: T${number} = ${JSON.stringify(object)}; /* ${nameOf(object)} */`);
        const model = (await import(pathToFileURL(path)))[object.kind];
        new model(object).validate();
    } catch (error) {
        wrong += 1;
        console.log(`${nameOf(object)}: ${error.message}`);
    }
}
writeFileSync(typesPath, lines.join("\n") + "\n");
process.exit(wrong ? 1 : 0);
