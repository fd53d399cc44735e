/**
 * Every bound of batchrun in one place, each with its source. Reaching one is an error with a code, never silence.
 */

/** Requests in one Message Batch (documentation 2026-09-26). */
export const BATCH_ROWS_MAX = 100_000;
/** Messages in one request (facts/api.md section 2). */
export const MESSAGES_MAX = 100_000;
/** Bytes of one create body. "256 MB" without saying which MB: the smaller meaning is safe (facts, section 1.4). */
export const BATCH_BYTES_MAX = 256_000_000;
/** `{"requests":[` and `]}` around the requests of a body. */
export const BODY_HEAD = '{"requests":[';
export const BODY_TAIL = ']}';
/** Rows per chunk unless --chunk-size says otherwise: small enough that a lost create costs minutes, not a night. */
export const CHUNK_ROWS_DEFAULT = 10_000;
/** At sealing a chunk's size is lowered by up to this share, so that foreign batches rarely have the same count. */
export const CHUNK_JITTER = 0.01;
/** One Messages request (documentation: 32 MB). Above it a row cannot use the realtime lane. */
export const REALTIME_BYTES_MAX = 32_000_000;
/** Characters of a custom_id that the API takes: `^[a-zA-Z0-9_-]{1,64}$`. Only our own wire ids must keep to it. */
export const WIRE_ID_CHARS_MAX = 64;
/** Characters of a user's custom_id. Any text goes; the bound keeps one broken line from filling the ledger. */
export const CUSTOM_ID_CHARS_MAX = 4_096;
/** Problems shown before the count of all (issue "1 of 6": the first 20). */
export const PROBLEMS_SHOWN_MAX = 20;
/** Creates of one chunk that may be refused for its rows before a person is asked (design, section 3.1). */
export const CREATES_PER_CHUNK_MAX = 20;
/** Open chunks while rows with different betas are sorted into their own: the oldest is sealed beyond it. */
export const OPEN_CHUNKS_MAX = 16;
/** A batch that we made may answer 404 for this long before a person is asked (seen for minutes: sdk-python#1432). */
export const BATCH_MISSING_MS_MAX = 60 * 60_000;
/** Results can be fetched for 29 days after the batch was created. */
export const RESULTS_KEPT_MS = 29 * 86_400_000;
/** Downloads of one result file that may turn out not whole before a person is asked. */
export const RESULT_FETCHES_MAX = 8;
/** One line of a result file. 128K output tokens are below 1 MB of text; with 300k and thinking far below this. */
export const RESULT_LINE_BYTES_MAX = 256_000_000;
/** No byte of a result stream for this long: the connection is dead (the SDK has no timeout on bodies). */
export const RESULT_IDLE_MS_MAX = 120_000;
/** Results that are deleted within this time are named by `status` and `collect`. */
export const RESULTS_WARN_MS = 7 * 24 * 3_600_000;
/** A batch expires 24 h after it was created. */
export const BATCH_EXPIRES_MS = 24 * 3_600_000;
/** Most batches end within an hour (documentation 2026-09-26). */
export const BATCH_TYPICAL_MS = 3_600_000;
/** A wait that the API asks for above this pauses the lane and is told to the user. */
export const RETRY_AFTER_SAID_MS = 10 * 60_000;
/**
 * Above this a realtime call is streamed. The SDK refuses plain calls from 21,333 (client.ts: 3600 s * n / 128000 over ten
 * minutes), and Node's fetch gives up when the headers take longer than 300 s: at 30 tokens a second that is 9,000 tokens.
 */
export const PLAIN_MAX_TOKENS_MAX = 8_192;
/** The batch-only beta that allows 300,000 output tokens, and what the Messages API allows at most without it. */
export const LONG_OUTPUT_BETA = 'output-300k-2026-03-24';
/** Batches on one page of the list (the API's maximum is 1,000). */
export const LIST_PAGE_MAX = 1_000;
/** Pages of one list pass: a million batches. */
export const LIST_PAGES_MAX = 1_000;
/** How long after a create that was judged "not made" its batch may still turn up and is looked for. */
export const LATE_BATCH_MS = 24 * 3_600_000;

/** What holds where nobody says otherwise, on the command line and in the library. */
export const MAX_BATCHES_DEFAULT = 100;
export const CONCURRENCY_DEFAULT = 50;
export const MAX_ATTEMPTS_DEFAULT = 4;
export const POLL_INTERVAL_MS_DEFAULT = 30_000;
export const RECONCILE_GRACE_MS_DEFAULT = 10 * 60_000;
export const GIVE_UP_MS_DEFAULT = 60 * 60_000;
