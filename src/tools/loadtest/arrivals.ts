/**
 * When requests of the open model begin: a rate over time, and the arrivals that it gives. Whether answers come plays no
 * part. The same seed gives the same arrivals.
 */

export type ArrivalShape = 'constant' | 'poisson' | 'ramp' | 'spike' | 'steps';
