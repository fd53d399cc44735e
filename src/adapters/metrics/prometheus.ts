/**
 * Readings as the text that Prometheus takes. Each text has a registry of its own: nothing of prom-client's global one,
 * no metrics of the process, and a reading that is gone is gone from the next text.
 */
import prometheus from 'prom-client';
import { METRICS, type MetricName, type Reading } from '../../domain/metrics.ts';
import { redact } from '../../base/log.ts';

export const PROMETHEUS_TYPE: string = prometheus.Registry.PROMETHEUS_CONTENT_TYPE;

export async function toPrometheus(readings: readonly Reading[]): Promise<string> {
  const registry = new prometheus.Registry();
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const values = readings.filter((reading) => reading.name === name);
    // A metric without values would be a name that means nothing yet.
    if (values.length === 0) continue;
    const { kind, help, labels } = METRICS[name];
    const spec = { name, help, labelNames: labels, registers: [registry] };
    // Two readings of one name and labels: the later one, but of a counter, which only grows by what it is told.
    if (kind === 'counter') {
      const counter = new prometheus.Counter(spec);
      for (const { labels: of, value } of values) counter.inc(safe(of), value);
    } else {
      const gauge = new prometheus.Gauge(spec);
      for (const { labels: of, value } of values) gauge.set(safe(of), value);
    }
  }
  return registry.metrics();
}

/** The last door: whatever a label is made from, no key goes out. */
function safe(labels: Reading['labels']): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, redact(value)]));
}
