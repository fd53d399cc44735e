/**
 * Writes a report (tools/report) where `--html` or `-o` says: one HTML file, with the chart library inside it. It is written
 * beside its name and renamed, so that a browser never sees half of it; a report may replace an older one.
 */
import { closeSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { aboutLine, reportPage, type Report, type ReportAssets } from '../../tools/report/page.ts';

/** The whole page. */
export function reportText(report: Omit<Report, 'assets'>): string {
  return reportPage({ ...report, assets: chartAssets() });
}

/** Is this file a report on the same? */
export function isReportAbout(path: string, about: string): boolean {
  try {
    const file = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.toString('utf8', 0, readSync(file, head, 0, HEAD_BYTES, 0)).includes(aboutLine(about));
    } finally {
      closeSync(file);
    }
  } catch {
    // Not there, or not to be read: whoever writes it says so.
    return false;
  }
}

const HEAD_BYTES = 1_024;

/** Gives the absolute path. */
export function writeReport(file: string, report: Omit<Report, 'assets'>): string {
  const path = resolve(file);
  const page = reportText(report);
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, page);
    renameSync(beside, path);
  } catch (error) {
    removeQuietly(beside);
    throw new BatchrunError('E_FILE', `the report ${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  return path;
}

/** What it was in the way of is what is told, not that it cannot be removed either. */
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // A name that is too long, a folder that went away.
  }
}

/** uPlot (MIT) as it lies in node_modules; chart-script.ts names its licence in the page. */
function chartAssets(): ReportAssets {
  const require = createRequire(import.meta.url);
  const read = (name: string): string => readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
  return { chartScript: read('uPlot.iife.min.js'), chartStyle: read('uPlot.min.css') };
}
