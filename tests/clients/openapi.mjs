// SPDX-License-Identifier: Apache-2.0
// docs/api/openapi.yaml as tests read it: valid, and with its references resolved.
import { fileURLToPath } from 'node:url';
import SwaggerParser from '@apidevtools/swagger-parser';

const kMethods = ['get', 'head', 'put', 'post', 'delete'];

/**
 * Every method of every path: {path, method, ports, parameters, body, responses}. `ports` are the
 * tags, `body` the content types with their schemas or undefined. Fails if the file is not valid.
 */
export async function readOperations() {
  const file = fileURLToPath(new URL('../../docs/api/openapi.yaml', import.meta.url));
  const { paths } = await SwaggerParser.validate(file);
  return Object.entries(paths).flatMap(([path, item]) =>
    kMethods.filter((method) => item[method]).map((method) => ({
      path,
      method: method.toUpperCase(),
      ports: item[method].tags,
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
      body: item[method].requestBody?.content,
      responses: item[method].responses,
    })));
}

/** The path with `values` in place of its parameters, encoded as one segment each. */
export function fill(path, values) {
  return path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
}
