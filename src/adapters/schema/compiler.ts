/**
 * What compiles the schemas that answers must follow. ajv takes 40 ms to load: only where there is one.
 */
import type { SchemaCompiler } from '../../domain/answer-check.ts';

export const schemaCompiler: SchemaCompiler = {
  compile: async (schema) => (await import('./compile.ts')).compileSchema(schema),
};
