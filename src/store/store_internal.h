/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_STORE_INTERNAL_H
#define LEVERET_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/hash_table.h"
#include "base/list.h"
#include "base/reader.h"
#include "store/store.h"

/* What the files of this folder share; see store.c for the whole. */

enum {
    STORE_APPLICATION_ID = 0x4c657631, /* "Lev1" */
    STORE_VERSION = 3,
    /* A segment is closed when the next record would pass this. Then it is four overflow pages of
     * 16 KiB, and 2 KiB in a leaf with others; a little less, and it had a leaf of its own, which
     * SQLite would balance with those beside it when the row is deleted. */
    SEGMENT_BYTES = 67540,
    CHUNK_RUNS = 256,     /* a chunk takes no more runs at its end */
    GROUP_SEGMENTS = 256, /* segments whose counts share a row */
};

/* The rows with places between two positions: from the last one that begins at or before the first.
 * Parameters: lane, first, end. */
#define STORE_CHUNK_RANGE_SQL                                                                      \
    "SELECT key, data FROM lane_chunk WHERE lane=?1 AND key<?3 AND key>=coalesce("                 \
    "(SELECT max(key) FROM lane_chunk WHERE lane=?1 AND key<=?2), 0) ORDER BY key"

/* Stored messages that follow each other in a lane and in a segment, all of the same sizes. */
struct run {
    uint64_t position; /* of the first */
    uint64_t segment;
    uint32_t count;
    uint32_t offset; /* of the first record in the segment */
    uint32_t record_bytes;
    uint32_t body_bytes;
};

/* A stretch of a lane's runs: the unit in which the mapping goes to disk and comes back. */
struct chunk {
    uint64_t key; /* at most its first position; the row's key */
    uint64_t end; /* above every position it ever held */
    union {
        struct run *runs; /* owned */
        uint8_t *packed;  /* owned; packed: the runs as a row has them */
    };
    size_t run_count;
    size_t run_capacity; /* packed: its bytes */
    bool is_packed;      /* nobody has used it since the last transaction */
    bool is_on_disk;     /* a row has this key */
    bool is_dirty;       /* the row says something else */
};

struct stored_lane {
    struct hash_node by_id;
    struct list_node node; /* among the dirty by dirty_since, or among the clean */
    struct {
        uint64_t first, end, delivered_below, count, bytes;
    } state;
    uint64_t id;
    uint64_t as_of;         /* the row holds everything up to this batch */
    uint64_t dirty_since;   /* the oldest batch that the row does not hold; 0 = clean */
    uint64_t committed_end; /* readers see positions below */
    struct chunk *chunks;   /* owned; those in memory, by key */
    size_t chunk_count;
    size_t chunk_capacity;
    uint64_t disk_chunks; /* rows of this lane */
    uint32_t touch;       /* its place in store->touched + 1; 0 = the transaction leaves it alone */
    bool must_write;      /* its rows changed: the lane's row goes with them */
    bool has_moves;       /* moves of the transaction under way are still to be applied */
    bool is_ghost;        /* replay: deleted later in the journal */
    bool has_attempts;    /* there may be rows of attempts */
    bool has_values;      /* there may be rows of values */
};

/* The lanes that a queue owns, used or not. */
struct lane_range {
    uint64_t first;
    uint32_t count; /* 0: the queue is gone */
};

struct lane_ranges {
    struct lane_range *items; /* owned; by first, but for while they are loaded */
    size_t count, capacity;
    size_t gone; /* of these */
};

/* A lane that the transaction under way changes. */
struct touched_lane {
    struct stored_lane *lane;
    struct run open_run; /* inserted by it, not in its journal yet */
};

/* What an exchange keeps under its number: delays and keys of deduplication. */
struct stored_shelf {
    struct hash_node by_id;
    struct list_node changed_node; /* among those that the transaction under way changed */
    struct list_node gone_node;    /* among those whose exchange is gone */
    uint64_t id;
    uint64_t end;    /* one above the highest id or position ever used */
    uint64_t delays; /* rows */
    uint64_t keys;   /* rows */
    bool is_gone;
};

struct segment_count {
    uint32_t total; /* references at first; 0 = there is no such segment */
    int32_t live;   /* references left */
};

struct segment_group {
    struct hash_node by_id;
    struct list_node node; /* among the dirty by dirty_since, or alone */
    uint64_t id;           /* segment / GROUP_SEGMENTS */
    uint64_t as_of;
    uint64_t dirty_since; /* 0 = clean */
    uint32_t used;        /* segments with total > 0 */
    bool is_on_disk;
    struct segment_count counts[GROUP_SEGMENTS];
};

struct segment_list {
    uint64_t *ids; /* owned */
    size_t first, count, capacity;
};

struct segment_table {
    struct hash_table groups;
    struct list dirty;
    struct segment_group *last; /* borrowed: the one asked for last */
    struct segment_list empty;  /* no reference is left: rows to delete */
    struct segment_list sparse; /* few are left: worth moving */
    uint64_t live, total;       /* references in all segments */
    uint64_t rows;
};

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SEGMENT_INSERT,
    SQL_SEGMENT_DELETE,
    SQL_SEGMENT_READ,
    SQL_JOURNAL_INSERT,
    SQL_JOURNAL_TRIM,
    SQL_LANE_PUT,
    SQL_LANE_DELETE,
    SQL_CHUNK_PUT,
    SQL_CHUNK_DELETE,
    SQL_CHUNK_DELETE_ALL,
    SQL_CHUNK_RANGE,
    SQL_GROUP_PUT,
    SQL_GROUP_DELETE,
    SQL_DEFINITION_PUT,
    SQL_DEFINITION_READ,
    SQL_DEFINITION_DELETE,
    SQL_ATTEMPT_PUT,
    SQL_ATTEMPT_DELETE,
    SQL_ATTEMPT_SWEEP,
    SQL_ATTEMPT_LANE,
    SQL_VALUE_PUT,
    SQL_VALUE_DELETE,
    SQL_VALUE_SWEEP,
    SQL_VALUE_LANE,
    SQL_SHELF_PUT,
    SQL_SHELF_DELETE,
    SQL_DELAY_INSERT,
    SQL_DELAY_DELETE,
    SQL_DELAY_FIRST,
    SQL_DELAY_SIZES,
    SQL_DELAY_SWEEP,
    SQL_DEDUP_INSERT,
    SQL_DEDUP_DELETE,
    SQL_DEDUP_SWEEP,
    SQL_VACUUM,
    SQL_COUNT
};

/* Rows of attempts or values that nobody asks for any more. */
struct sweep {
    enum statement statement; /* that deletes them */
    uint64_t lane, first, end;
};

enum reader_statement {
    READ_BEGIN,
    READ_END,
    READ_SNAPSHOT,
    READ_CHUNKS,
    READ_ATTEMPTS,
    READ_SHELF,
    READ_DELAYS,
    READ_COUNT
};

/* A message that was written again: its place changes when that is committed. */
struct move {
    uint64_t lane;
    struct run run; /* count 1 */
};

/* Who may use the writer's connection: the writer, or a backup (waiting[1]). */
struct writer_turn {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_busy;
    bool was_backup; /* the last one */
    unsigned waiting[2];
    uint64_t batches; /* how often it was the writer's */
};

#define SPILL_FILE "spill.db"

/* One that was spilled and found no space. */
struct unspilled_message {
    uint64_t lane, position, expiry_ms;
    struct message *message; /* ref; NULL: it was removed */
};

/* See store_unspilled.c. */
struct unspilled {
    struct unspilled_message *messages; /* owned; by lane and position */
    size_t count, sorted, capacity;
    _Atomic size_t live; /* of those, without the removed */
    uint64_t live_bytes; /* their footprints */
    uint64_t batch;      /* the last that was applied here */
};

struct store {
    char *folder;                  /* owned */
    char *path;                    /* owned */
    bool is_spill;                 /* it holds what is transient, for another one */
    _Atomic(struct store *) spill; /* owned; that of this one; NULL until something is spilled */
    uint64_t spilled_batch;        /* the writer's: the last whose spilled part is committed */
    struct unspilled unspilled;    /* what is not in the file of that one for want of space */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    int code; /* the first failure of the transaction under way */
    bool is_replaying;

    /* the writer's */
    uint64_t batch; /* the number of the newest journal row */
    uint64_t journal_first;
    uint64_t journal_row_bytes; /* of late */
    struct journal_head {
        uint64_t lane_next;
        uint64_t segment_next;
        uint64_t definition_sum; /* of the checksums of all definitions */
    } head;
    struct buffer journal; /* of the transaction under way */
    struct buffer row;     /* scratch */
    struct buffer packed;  /* the segment under way */
    uint32_t packed_references;
    struct run *places; /* owned; of the batch's insertions, by operation */
    size_t place_capacity;
    struct touched_lane *touched; /* owned; by the transaction under way */
    size_t touched_count, touched_capacity;
    struct move *moves; /* owned */
    size_t move_count, move_capacity;
    struct segment_table segments;
    struct lane_ranges ranges; /* of lanes that belong to queues */
    struct hash_table shelves; /* by id */
    struct list changed_shelves;
    struct list gone_shelves;
    struct {
        uint64_t delays, keys, gone; /* rows, of all shelves */
    } shelved;
    struct sweep *sweeps; /* owned */
    size_t sweep_count, sweep_capacity;
    bool has_lane_count;       /* the journal said how many lanes there are, */
    uint64_t lane_count;       /* so many */
    uint64_t written_segments; /* by the transaction under way */
    uint64_t written;          /* records, in all */
    uint64_t moved;            /* references, in all */
    int reserve;               /* file descriptor, or -1 */
    _Atomic bool is_reserve_used;
    _Atomic bool was_full; /* the last commit found no space */

    /* the mapping: the writer changes it under this lock, readers look at it under this lock */
    pthread_mutex_t lock;
    struct hash_table lanes;
    struct list dirty_lanes;
    struct list clean_lanes;
    size_t chunk_bytes; /* memory of all chunks */

    /* readers */
    pthread_mutex_t turn; /* held by a transaction from its first change of places to its end: a
                           * reader that begins meanwhile waits */
    bool has_turn;        /* the transaction holds it */
    pthread_mutex_t gate; /* one reader at a time, none while a checkpoint is finished */
    sqlite3 *reader;
    sqlite3_stmt *reader_statements[READ_COUNT];

    struct writer_turn writer_turn;

    /* checkpoints */
    pthread_mutex_t checkpoint_lock;
    sqlite3 *checkpointer;
    _Atomic uint64_t wal_pages;
    _Atomic uint64_t copied; /* pages of the log, and which log that is */
    uint32_t page_bytes;

    pthread_mutex_t report_lock;
    struct store_figures figures;
    char error[512];
    _Atomic bool has_failed;
};

/* Functions that return bool: false after a failure, which is noted. */

/* --- store.c: what all the others need */

/* A store without a file yet; store_free closes what was opened since. */
struct store *store_new(const char *folder, bool is_spill);
void store_free(struct store *store);
/* Steps a statement that gives no rows, and resets it. */
bool store_step(struct store *store, enum statement statement);
/* The same for a statement whose parameters are a number and a row, or a number alone. */
bool store_put(struct store *store, enum statement statement, uint64_t id,
               const struct buffer *row);
bool store_delete(struct store *store, enum statement statement, uint64_t id);
/* Notes what SQLite says, or that the file is damaged, as the failure of the transaction. */
bool store_note(struct store *store, int code, const char *what);
bool store_note_damage(struct store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first message stays; any thread. */
void store_report(struct store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The store does nothing more. */
enum store_result store_fail(struct store *store);

/* --- store_open.c */
/* Reads the state from the file, into a store that is new or was unloaded; adds what is defined to
 * the batch unless that is NULL. */
bool store_load(struct store *store, struct store_batch *definitions);
void store_unload(struct store *store);
/* Calls load with each row of a query for ids and data. */
bool store_load_rows(struct store *store, const char *sql,
                     bool (*load)(struct store *store, uint64_t id, struct bytes row));

/* store_open of one of the two files. is_full: NULL because there is no space. */
struct store *store_open_file(const char *folder, bool is_spill, struct store_opened *opened,
                              char *reason, size_t reason_size, bool *is_full);

/* A store to look at, with nothing loaded yet: store_load does that, without a change in the file.
 * NULL with a reason. */
struct store *store_open_to_look(const char *folder, char *reason, size_t reason_size);

/* --- store_commit.c, store_read.c: one file of the two */
enum store_result store_commit_part(struct store *store, const struct store_batch *batch);
/* Time that never goes back. */
uint64_t store_now_ns(void);
/* false after a failure, which is noted: there are no results then. */
bool store_read_part(struct store *store, const struct store_read *reads, size_t count,
                     struct store_read_result **results);

/* --- store_spill.c: the file of what is transient */
/* NULL where nothing was spilled yet. */
struct store *spill_of(const struct store *store);
/* Removes what a former life left in the folder. */
void spill_remove(const char *folder);
/* Is the operation for this of the two files? */
bool spill_is_own(const struct store *store, const struct store_operation *operation);
/* Does the batch change anything in it? */
bool spill_has_work(const struct store *store, const struct store_batch *batch);
/* Commits what of the batch is for the other file, which is made when it is needed. */
enum store_result spill_commit(struct store *store, const struct store_batch *batch);
/* The other file failed, and so does the store. */
enum store_result spill_fail(struct store *store);
/* Within a transaction of the spill: the lane may be used; the lanes of STORE_SPILL_FORGET go. */
bool spill_need_lane(struct store *store, uint64_t lane);
bool spill_forget(struct store *store, const struct store_operation *operation);
/* Tries again with what found no space there, where there is some. */
enum store_result spill_settle(struct store *store);
/* --- store_backup.c: turns of the writer and of a backup beside it */
void writer_turn_init(struct writer_turn *turn);
void writer_turn_fini(struct writer_turn *turn);
/* From here to writer_leave the connection is this thread's. */
void writer_enter(struct store *store, bool is_backup);
void writer_leave(struct store *store);

/* --- store_unspilled.c: what is spilled and has no space in the file */
/* Any thread. */
bool unspilled_has_any(const struct store *store);
/* The messages that a batch spills come, those that it removes or forgets go. */
void unspilled_apply(struct store *store, const struct store_batch *batch);
/* All of them, as a batch to be committed, the caller's; then they are cleared. */
struct store_batch *unspilled_batch(const struct store *store);
void unspilled_clear(struct store *store);
/* Those of what is asked for; NULL where there are none. Any thread. */
struct store_read_result *unspilled_read(struct store *store, const struct store_read *read);

/* --- store_transaction.c */
bool transaction_begin(struct store *store);
/* The transaction, or the journal's row that is replayed, changes this lane. */
void transaction_touch(struct store *store, struct stored_lane *lane);
/* It is over: none is touched any more. */
void transaction_forget_touched(struct store *store);
/* From here to the end of the transaction no reader begins: places leave memory with rows that are
 * not committed, and the snapshot before them would show rows that are long behind. */
void transaction_take_turn(struct store *store);
/* Writes what is due and the journal row, and commits; or goes back to what the file says. */
enum store_result transaction_finish(struct store *store, bool succeeded, size_t operations);
/* Memory is what the file says: readers see it, and figures count it. */
void transaction_publish(struct store *store);

/* --- store_read.c */
bool reader_open(struct store *store);
/* Notes what SQLite says on the reader's connection. */
bool reader_failed(struct store *store, const char *what);
/* Ends the snapshot. */
void reader_end(struct store *store);

/* --- store_read_delays.c */
/* The caller holds the gate. Fills result; false after a failure, which is noted. */
bool read_delays(struct store *store, struct store_read_result *result);

/* --- store_row.c: rows begin with a checksum over their identity and all that follows */
void row_begin(struct buffer *row);
void row_seal(struct buffer *row, uint64_t table, uint64_t key, uint64_t subkey);
uint64_t row_checksum_of(struct bytes row);
bool row_open(struct bytes row, uint64_t table, uint64_t key, uint64_t subkey,
              struct reader *reader);
uint64_t row_checksum(struct bytes bytes, uint64_t seed);
static inline struct bytes column_bytes(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    return bytes_of(data, data != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}
enum {
    ROW_JOURNAL = 1,
    ROW_LANE,
    ROW_CHUNK,
    ROW_GROUP,
    ROW_DEFINITION,
    ROW_ATTEMPT,
    ROW_SHELF,
    ROW_DELAY,
    ROW_DEDUP,
    ROW_VALUE
};

/* --- stored_chunk.c: stretches of a lane */
static inline uint64_t run_end(const struct run *run)
{
    return run->position + run->count;
}
/* Can runs be one? */
bool run_joins(const struct run *run, const struct run *next);
/* All fields of a run as they are, behind one another. Decoding what is no run fails the reader. */
void run_encode(struct buffer *row, const struct run *run);
struct run run_decode(struct reader *reader);
/* Before its runs are looked at; what has been open for long may be packed, and takes a third. */
void chunk_open(struct store *store, struct chunk *chunk);
void chunk_pack(struct store *store, struct chunk *chunk);
/* Calls visit with each run, of a packed one as well, until it returns false. */
void chunk_visit(const struct chunk *chunk, bool (*visit)(void *context, const struct run *run),
                 void *context);
void chunk_add_run(struct store *store, struct chunk *chunk, size_t index, const struct run *run);
/* The index of the first run with an end above the position. */
size_t chunk_find_run(const struct chunk *chunk, uint64_t position);
void chunk_free_runs(struct store *store, struct chunk *chunk);
void chunk_encode(struct buffer *row, uint64_t lane, const struct chunk *chunk);
/* The runs are the caller's and not counted yet; false where the row is damaged. */
bool chunk_decode(uint64_t lane, uint64_t key, struct bytes row, struct chunk *chunk);

/* --- stored_lane.c: positions to places */
typedef void run_released(struct store *store, uint64_t segment, uint32_t count);

struct stored_lane *stored_lane_find(const struct store *store, uint64_t id);
struct stored_lane *stored_lane_add(struct store *store, uint64_t id);
/* Frees the lane's memory; its rows are the caller's. */
void stored_lane_free(struct store *store, struct stored_lane *lane);
/* A change that the row does not hold yet. */
void stored_lane_dirty(struct store *store, struct stored_lane *lane, uint64_t batch);
void stored_lane_append(struct store *store, struct stored_lane *lane, const struct run *run);
/* released may be NULL. Chunks that lose everything are deleted on disk at once where may_write. */
bool stored_lane_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end,
                        run_released *released, bool may_write);
/* Gives one message another place. */
bool stored_lane_move(struct store *store, struct stored_lane *lane, const struct run *run);
/* The place of a message (count 1); count 0 where there is none. */
bool stored_lane_locate(struct store *store, struct stored_lane *lane, uint64_t position,
                        struct run *run);
/* Writes the lane's row and its changed chunks; it is clean then. */
bool stored_lane_write(struct store *store, struct stored_lane *lane);
bool stored_lane_read(struct store *store, uint64_t id, struct bytes row);
/* Is the row with this key superseded by what memory holds? */
bool stored_lane_has_chunk(const struct stored_lane *lane, uint64_t key);
/* Drops what is on disk as well; all of it, or all but the ends. */
void stored_lane_shrink(struct store *store, struct stored_lane *lane, bool is_cold);

/* --- stored_segment.c: how many references each segment has */
void segment_table_init(struct segment_table *table);
void segment_table_fini(struct segment_table *table);
void segment_created(struct store *store, uint64_t segment, uint32_t references, uint64_t batch);
void segment_released(struct store *store, uint64_t segment, uint32_t count, uint64_t batch);
void segment_deleted(struct store *store, uint64_t segment, uint64_t batch);
struct segment_count segment_count_of(struct store *store, uint64_t segment);
bool segment_group_write(struct store *store, struct segment_group *group);
bool segment_group_read(struct store *store, uint64_t id, struct bytes row);
/* After replay: the counts are possible, and what is to do is listed. */
bool segment_table_check(struct store *store);
size_t segment_list_count(const struct segment_list *list);
/* 0 when the list is empty. */
uint64_t segment_list_pop(struct segment_list *list);

/* --- store_record.c: messages in segments */
struct record {
    uint64_t checksum;
    uint64_t time_ms;
    uint32_t record_bytes;
    uint32_t owner_count;
    uint32_t properties_size;
    uint8_t exchange_size;
    uint8_t routing_key_size;
    uint8_t flags;
    uint8_t reserved;
};
struct record_owner {
    uint64_t lane, position, expiry_ms;
};
enum { RECORD_PERSISTENT = 1, RECORD_HIDES_BCC = 2 };
/* Puts the batch's messages into segments; places them in store->places, by operation. */
bool record_place_batch(struct store *store, const struct store_batch *batch);
/* Writes the segment under way. */
bool record_flush(struct store *store);
/* Writes a record again for some of its owners. */
bool record_copy(struct store *store, struct bytes record, const struct record_owner *owners,
                 uint32_t owner_count, struct run *place);
/* Reads a record's head; false where it does not fit into bytes or its checksum is wrong. */
bool record_open(struct bytes bytes, struct record *record);
struct record_owner record_owner_at(const uint8_t *record, uint32_t index);
/* The message, when the record belongs to this position; NULL otherwise. */
struct message *record_message(struct bytes bytes, uint64_t lane, uint64_t position,
                               uint64_t *expiry_ms);

/* --- store_journal.c */
void journal_begin(struct store *store);
void journal_run(struct store *store, struct stored_lane *lane, const struct run *run);
void journal_flush_run(struct store *store, struct stored_lane *lane);
void journal_lane(struct store *store, int kind, uint64_t lane, uint64_t position, uint64_t count);
void journal_move(struct store *store, uint64_t lane, const struct run *run);
void journal_segment(struct store *store, int kind, uint64_t segment, uint64_t count);
/* A row: what head says, then the operations. */
void journal_encode(struct buffer *row, const struct journal_head *head, uint64_t batch,
                    struct bytes operations);
bool journal_write(struct store *store);
bool journal_replay(struct store *store);
enum {
    JOURNAL_RUN,
    JOURNAL_REMOVE,
    JOURNAL_DELIVERED,
    JOURNAL_LANE_NEW,
    JOURNAL_LANE_DELETE,
    JOURNAL_MOVE,
    JOURNAL_SEGMENT_NEW,
    JOURNAL_SEGMENT_RELEASE,
    JOURNAL_SEGMENT_DELETE,
    JOURNAL_LANE_COUNT, /* how many there are now; once in a row; rows of version 1 lack it */
};

/* --- store_definition.c */
bool definition_put(struct store *store, const struct store_operation *operation);
bool definition_delete(struct store *store, const struct store_operation *operation);
/* Everything that is defined, and which lanes and shelves go with it; adds PUT operations to the
 * batch unless it is NULL. */
bool definition_load(struct store *store, struct store_batch *batch);
/* A row as the operation that put it, without what is beside it; views into the row. false where it
 * is damaged. */
bool definition_decode(int kind, struct bytes key, struct bytes row,
                       struct store_operation *operation, struct store_definition *definition);

/* --- stored_queue.c: queues and their lanes */
bool stored_queue_put(struct store *store, const struct store_operation *operation);
bool stored_queue_delete(struct store *store, const struct store_operation *operation);
/* The lane, which the transaction is going to change, made where it is used for the first time. */
struct stored_lane *stored_queue_need_lane(struct store *store, uint64_t id);
/* The lane, which the transaction is going to change; NULL where it was never used. */
struct stored_lane *stored_queue_find_lane(struct store *store, uint64_t id);
/* Loading: lanes that belong to a queue; is every lane that is there one of them? */
void stored_queue_ranges_add(struct store *store, uint64_t first, uint64_t count);
bool stored_queue_ranges_check(struct store *store);
void stored_queue_ranges_clear(struct store *store);
/* What a lane no longer needs goes from its segments into the journal. */
void stored_queue_release(struct store *store, uint64_t segment, uint32_t count);

/* --- store_attempt.c: how often a message failed */
bool attempt_put(struct store *store, struct stored_lane *lane, uint64_t position, uint64_t count);
/* The messages of a range are gone. */
bool attempt_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end);
/* Everything of a lane that is being deleted. */
void attempt_forget(struct store *store, const struct stored_lane *lane);
bool attempt_load(struct store *store);
/* The rows' delivery counts, in the reader's snapshot. */
bool attempt_read(struct store *store, struct store_read_result *result);

/* --- store_value.c: what queues that deduplicate know their messages by */
/* The value of an insertion that has one. */
bool value_put(struct store *store, struct stored_lane *lane,
               const struct store_operation *operation);
/* The messages of a range are gone. */
bool value_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end);
/* Everything of a lane that is being deleted. */
void value_forget(struct store *store, const struct stored_lane *lane);
bool value_load(struct store *store);
/* The values of all messages that are there, once the lanes are listed. */
bool value_list(struct store *store, struct store_opened *opened);

/* --- store_sweep.c: rows that have outlived their messages */
/* Those with first <= position < end, by the statement that deletes them in slices. */
void sweep_note(struct store *store, enum statement statement, uint64_t lane, uint64_t first,
                uint64_t end);
bool sweep_has_garbage(const struct store *store);
/* Deletes so many of them. */
bool sweep_reclaim(struct store *store, int rows);
/* What a position is in a statement: SQLite's numbers are smaller. */
int64_t sweep_key(uint64_t position);
/* Opening: goes from a lane to the next one that has rows, 0 where there is none. */
bool sweep_next_lane(struct store *store, enum statement statement, uint64_t *lane);

/* --- store_shelf.c: what exchanges keep */
bool shelf_put(struct store *store, uint64_t id);
bool shelf_delete(struct store *store, uint64_t id);
bool shelf_delay_insert(struct store *store, const struct store_operation *operation);
bool shelf_delay_remove(struct store *store, const struct store_operation *operation);
bool shelf_key_put(struct store *store, const struct store_operation *operation);
bool shelf_key_remove(struct store *store, const struct store_operation *operation);
struct stored_shelf *shelf_find(const struct store *store, uint64_t id);
/* Writes the rows of the shelves that the transaction changed. */
bool shelf_write_changed(struct store *store);
bool shelf_load(struct store *store);
/* The state of each; then their keys, added to the definitions as STORE_DEDUP_PUT. */
bool shelf_list(struct store *store, struct store_opened *opened);
bool shelf_load_keys(struct store *store, const struct store_opened *opened);
void shelf_clear(struct store *store);
bool shelf_has_garbage(const struct store *store);
/* Deletes so many rows, or fewer if they are large, of what exchanges left that are gone. */
bool shelf_reclaim(struct store *store, int rows);
struct shelf_row {
    uint64_t end, delays, keys;
    bool is_gone;
};
bool shelf_row_open(struct bytes row, uint64_t id, struct shelf_row *shelf);
/* The message of a delay; NULL where the row is damaged. */
struct message *delay_message(uint64_t shelf, uint64_t due_ms, uint64_t id, struct bytes row);

/* --- store_reclaim.c */
/* Part of every commit: deletes segments in proportion to what was written, once there is debt. */
bool reclaim_with_commit(struct store *store);
void reclaim_apply_moves(struct store *store);

/* --- store_checkpoint.c */
bool checkpoint_open(struct store *store);
/* After a commit: finishes the checkpoint where the log has passed its bound. */
bool checkpoint_tend(struct store *store);
/* On a full disk: true where the log begins again, in the space that it has. */
bool checkpoint_for_space(struct store *store);
/* The writer, idle: empties the log and gives its space, and what the file had too much, back. */
bool checkpoint_rest(struct store *store);

/* --- store_reserve.c: space that is kept for acks on a full disk */
/* It is made after the store's file: where there is a reserve and no file, the file was lost. */
bool reserve_is_there(const char *folder);
void reserve_open(struct store *store, const char *folder);
void reserve_close(struct store *store);
/* true where there was space to give back. */
bool reserve_release(struct store *store);
void reserve_restore(struct store *store);
/* Beside the reserve. */
bool store_has_space(const struct store *store, uint64_t bytes);

#endif
