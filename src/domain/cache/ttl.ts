/** How long the prompt cache keeps what it wrote; each read begins the time anew. */
export type CacheTtl = '5m' | '1h';
