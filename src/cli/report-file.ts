/**
 * Writes a report (tools/report) where `--html` says: one HTML file, with the chart library inside it. It is written
 * beside its name and renamed, so that a browser never sees half of it; a report may replace an older one.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';
import { reportPage, type Report, type ReportAssets } from '../tools/report/page.ts';

/** Gives the absolute path. */
export function writeReport(file: string, report: Omit<Report, 'assets'>): string {
  const path = resolve(file);
  const page = reportPage({ ...report, assets: chartAssets() });
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, page);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new BatchrunError('E_FILE', `the report ${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  return path;
}

/** uPlot (MIT) as it lies in node_modules; chart-script.ts names its licence in the page. */
function chartAssets(): ReportAssets {
  const require = createRequire(import.meta.url);
  const read = (name: string): string => readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
  return { chartScript: read('uPlot.iife.min.js'), chartStyle: read('uPlot.min.css') };
}
