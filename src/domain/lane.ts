/** The two ways to an answer: a batch at half the price, or a call now. */
export type Lane = 'batch' | 'realtime';
