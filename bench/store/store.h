/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of bench-store share: the model of the lanes that stands in for the core, the
 * store under test, and the table of functions that makes one layout of the messages different from
 * another.
 */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vacuum_mode { VACUUM_NONE, VACUUM_INCREMENTAL };

enum checkpoint_mode {
    CHECKPOINT_BOTH,    /* a second connection works passively, the writer finishes at the bound */
    CHECKPOINT_PASSIVE, /* the second connection alone */
    CHECKPOINT_AUTO,    /* SQLite's own, inline in the commit */
    CHECKPOINT_COUNT
};

struct options {
    const char *dir;
    uint32_t page_bytes;
    uint32_t batch_messages;
    uint32_t batch_bytes;
    uint32_t segment_bytes;
    uint32_t
        reclaim_rows; /* rows deleted per batch while traffic runs; 0 leaves all of it to the end */
    uint32_t reclaim_from; /* debt in messages at which reclaim starts while traffic runs */
    uint32_t page_in_messages;
    uint64_t wal_start_bytes; /* the second connection starts here */
    uint64_t wal_bound_bytes; /* the writer finishes here */
    uint32_t auto_pages;      /* wal_autocheckpoint, for CHECKPOINT_AUTO */
    enum checkpoint_mode checkpoint;
    enum vacuum_mode vacuum;
    bool compact; /* packed layouts rewrite sparse segments */
    bool presync; /* the second connection syncs the file after a partial checkpoint */
    bool gate;    /* readers stand aside while the writer finishes a checkpoint */
};

/* Where a stored message is: a sequence number, or a segment and the stretch of bytes inside it. */
struct ref {
    uint64_t key;
    uint32_t offset;
    uint32_t bytes;
};

struct message {
    uint32_t lane;
    uint32_t body_bytes;
    uint64_t position;
    uint64_t time_ms;
    uint64_t expiry_ms;
    uint64_t checksum;
    const uint8_t *body; /* borrowed: the generator's, valid for the batch */
};

/* Positions run head <= read <= committed <= tail. The references stay in memory here: a real store
   keeps runs of them in lane_chunk, whose writes are paid for, see layouts.c. */
struct lane {
    uint64_t head, read, committed, tail;
    uint64_t chunked; /* positions below are in lane_chunk rows */
    struct ref *refs; /* owned; indexed by position */
    size_t ref_capacity;
    bool dirty;
};

struct bytes {
    uint8_t *data; /* owned */
    size_t used, capacity;
};

struct samples {
    uint64_t *values; /* owned */
    size_t used, capacity;
};

struct segment {
    uint32_t total, live;
    bool sparse; /* in the list of candidates for compaction */
};

/* A message that compaction has written again; its reference changes when that is committed. */
struct move {
    uint32_t lane;
    uint64_t position;
    struct ref ref;
};

struct store;
struct reader;

struct layout {
    const char *name;
    const char *about;
    const char *schema;
    const char *insert_sql;
    const char *delete_sql;
    const char *read_sql;
    bool journal;
    void (*insert)(struct store *store, const struct message *message, struct ref *ref);
    void (*ack)(struct store *store, uint32_t lane, uint64_t first, uint64_t count);
    void (*committed)(struct store *store); /* after COMMIT; may be NULL */
    void (*seal)(struct store *store);      /* last step before COMMIT; may be NULL */
    /* Frees up to rows, the debt not below floor; returns what it freed. May be NULL. */
    uint64_t (*reclaim)(struct store *store, uint64_t rows, uint64_t floor);
    void (*read)(struct reader *reader, uint32_t lane, uint64_t first, const struct ref *refs,
                 size_t count);
};

struct checkpointer {
    sqlite3 *db;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t idle;
    bool started, wanted, running, stop;
    int log_pages, done_pages;
    uint64_t runs;
};

struct store {
    const struct options *options;
    const struct layout *layout;
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert, *remove;
    sqlite3_stmt *journal_insert, *journal_delete, *lane_put, *chunk_insert, *chunk_delete,
        *count_put;
    struct checkpointer checkpointer;
    pthread_mutex_t gate; /* see options.gate */
    uint64_t wal_pages, wal_pages_max;
    uint64_t finishes; /* checkpoints the writer finished itself */
    uint64_t finish_ns_max;
    uint64_t insert_ns; /* processor time in the layout's insert, checksums and journal entries
                           included */
    uint64_t inserted;
    struct samples commits; /* ns, what stood between a batch and its completion */

    /* the model of the core */
    pthread_mutex_t lock; /* guards lanes between the writer and the reader */
    pthread_cond_t committed;
    struct lane *lanes; /* owned */
    uint32_t lane_count;
    uint64_t stored; /* committed and not acked */

    /* journal layouts */
    struct bytes journal;
    uint64_t batch, pass_mark, pass_start;
    uint32_t pass_lane;
    bool pass_running;
    uint32_t run_lane;
    uint64_t run_position, run_count, journal_key;
    struct ref run_first, run_last;

    /* arrival layouts: a bit per sequence number that is acked and not deleted */
    uint64_t next_seq;
    uint64_t *garbage; /* owned */
    size_t garbage_words;
    uint64_t sweep;
    _Atomic uint64_t debt;

    /* packed layouts */
    struct bytes packed;
    uint32_t packed_messages;
    uint64_t next_segment;
    struct segment *segments; /* owned; indexed by segment number */
    size_t segment_capacity;
    uint8_t *count_dirty; /* owned; a flag per group of live counts */
    size_t count_groups;
    struct samples empty;  /* segment numbers to delete */
    struct samples sparse; /* segment numbers, oldest first from sparse_head */
    size_t sparse_head;
    sqlite3_stmt *segment_read;
    struct move *moves; /* owned */
    size_t move_count, move_capacity;
    uint64_t moved; /* messages written again so far */
};

struct reader {
    struct store *store;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *read;
    sqlite3_blob *blob; /* kept and moved from row to row */
    uint64_t expected;  /* position of the next message of the page-in */
    uint64_t messages, bytes;
};

/* --- engine.c: SQLite, transactions, checkpoints */

/* Creates the file anew, with its schema and its checkpointer. */
void store_open(struct store *store, const struct options *options, const struct layout *layout,
                uint32_t lane_count);
void store_close(struct store *store);
void store_begin(struct store *store);
/* Commits and, where it is the writer's turn, finishes the checkpoint; the time of both is one
 * sample. */
void store_commit(struct store *store);
uint64_t store_file_bytes(const struct store *store);
uint64_t store_wal_bytes(const struct store *store);

void reader_open(struct reader *reader, struct store *store);
void reader_close(struct reader *reader);
/* One bounded page-in: every message is looked at and its checksum verified. refs is room for count
   references, which are copied from the model. */
void reader_page_in(struct reader *reader, uint32_t lane, uint64_t first, struct ref *refs,
                    size_t count);

sqlite3_stmt *prepare(sqlite3 *db, const char *sql);
void check_sqlite(sqlite3 *db, int code, const char *what);
void step_done(sqlite3 *db, sqlite3_stmt *statement);

/* --- layouts.c */
extern const struct layout layouts[];
extern const size_t layout_count;
uint64_t message_checksum(const struct message *message);

/* --- util.c */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grow(void *data, size_t *capacity, size_t wanted, size_t item_bytes);
void bytes_add(struct bytes *bytes, const void *data, size_t length);
void bytes_varint(struct bytes *bytes, uint64_t value);
void samples_add(struct samples *samples, uint64_t value);
/* Sorts in place; fraction 0.5 is the median, 1 the worst. 0 without samples. */
uint64_t samples_quantile(struct samples *samples, double fraction);
uint64_t now_ns(void);
/* Processor time of the whole process, and of this thread. */
uint64_t cpu_ns(void);
uint64_t thread_cpu_ns(void);
uint64_t random_next(uint64_t *state);

/* --- workloads.c */
struct figures {
    const char *workload;
    const char *layout;
    uint32_t lanes, body_bytes;
    double seconds;
    double per_second;
    double cpu_us;    /* processor time of the whole process per message */
    double insert_us; /* the writer's processor time per message before the commit */
    double commit_ms_p50, commit_ms_p99, commit_ms_max;
    double wal_mib, file_mib;
    uint64_t debt; /* acked rows still in the file when the workload ended */
    double zero_seconds;
    double page_in_per_second, page_in_us_p50, page_in_us_p99, page_in_us_max;
    uint64_t finishes;
};

struct scale {
    uint64_t fill_messages;
    uint64_t backlog_messages;
    double steady_seconds, page_in_seconds, phase_seconds_max;
};

/* Each runs in a store of its own and appends what it measured. */
void workload_fill_drain(const struct options *options, const struct layout *layout, uint32_t lanes,
                         uint32_t body_bytes, const struct scale *scale, struct figures *fill,
                         struct figures *drain);
void workload_steady(const struct options *options, const struct layout *layout, uint32_t lanes,
                     uint32_t body_bytes, const struct scale *scale, struct figures *figures);
void workload_straggle(const struct options *options, const struct layout *layout, uint32_t lanes,
                       uint32_t body_bytes, const struct scale *scale, struct figures *figures);
void workload_page_in(const struct options *options, const struct layout *layout, uint32_t lanes,
                      uint32_t body_bytes, const struct scale *scale, struct figures *figures);

#endif
