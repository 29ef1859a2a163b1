/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What everything else stands on: views of bytes, buffers, readers, variable-length numbers, UTF-8,
 * the incremental hash table, the heap, the intrusive list, allocation.
 */
#include "amqp_test.h"

#include "base/hash_table.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/reader.h"
#include "base/utf8.h"
#include "base/xmalloc.h"

/* --- bytes */

static void bytes_are_ordered_by_their_octets(void **state)
{
    (void)state;
    assert_int_equal(bytes_compare(BYTES("a"), BYTES("a")), 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("aa")) < 0);
    assert_true(bytes_compare(BYTES("b"), BYTES("aa")) > 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), BYTES("a")) < 0);
    assert_int_equal(bytes_compare(bytes_of(NULL, 0), BYTES("")), 0);
}

static void bytes_are_equal_by_content(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of(NULL, 0), BYTES("")));
    assert_true(bytes_equal(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_false(bytes_equal_text(BYTES("a\0"), "a"));
    assert_true(bytes_start_with(BYTES("amq.gen"), "amq."));
    assert_false(bytes_start_with(BYTES("amq"), "amq."));
}

static void hashes_depend_on_content_and_seed(void **state)
{
    (void)state;
    char other_place[] = "queue";
    assert_true(bytes_hash(BYTES("queue"), 1) == bytes_hash(bytes_of_text(other_place), 1));
    assert_true(bytes_hash(BYTES("queue"), 1) != bytes_hash(BYTES("queue"), 2));
    assert_true(bytes_hash(BYTES("queue"), 1) != bytes_hash(BYTES("queuf"), 1));
    assert_true(bytes_hash(bytes_of(NULL, 0), 1) == bytes_hash(BYTES(""), 1));
}

static void bytes_become_text(void **state)
{
    (void)state;
    char *text = bytes_to_text(BYTES("abc"));
    char *empty = bytes_to_text(bytes_of(NULL, 0));
    assert_string_equal(text, "abc");
    assert_string_equal(empty, "");
    free(text);
    free(empty);
}

/* --- buffer and reader */

static void numbers_are_in_network_order(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append_u8(&buffer, 0x01);
    buffer_append_u16(&buffer, 0x0203);
    buffer_append_u32(&buffer, 0x04050607);
    buffer_append_u64(&buffer, 0x08090a0b0c0d0e0f);
    assert_bytes_equal(buffer_bytes(&buffer), BYTES("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
                                                    "\x0c\x0d\x0e\x0f"));
    struct reader reader = reader_of(buffer_bytes(&buffer));
    assert_int_equal(reader_u8(&reader), 0x01);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_true(reader_u64(&reader) == 0x08090a0b0c0d0e0f);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    buffer_fini(&buffer);
}

static void a_buffer_grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    for (unsigned i = 0; i < 10000; i++)
        buffer_append_u16(&buffer, (uint16_t)i);
    assert_int_equal(buffer.size, 20000);
    assert_true(buffer.capacity >= buffer.size);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(buffer.data[2 * i] << 8 | buffer.data[2 * i + 1], i);
    buffer_clear(&buffer);
    assert_int_equal(buffer.size, 0);
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer.size, 0);
    buffer_fini(&buffer);
    assert_null(buffer.data);
}

static void reserved_room_is_not_moved(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_reserve(&buffer, 5000);
    assert_int_equal(buffer.size, 0);
    const uint8_t *data = buffer.data;
    for (int i = 0; i < 5000; i++)
        buffer_append_u8(&buffer, 'x');
    assert_ptr_equal(buffer.data, data);
    buffer_fini(&buffer);
}

static void text_is_formatted_into_a_buffer(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append_u8(&buffer, '[');
    buffer_append_format(&buffer, "%d %s", 42,
                         "is the answer to a question that is much longer "
                         "than the room that is there at first");
    buffer_append_format(&buffer, "%s", "");
    buffer_append_u8(&buffer, ']');
    assert_bytes_equal(buffer_bytes(&buffer),
                       BYTES("[42 is the answer to a question that is much longer than the room "
                             "that is there at first]"));
    buffer_fini(&buffer);
}

static void a_reader_fails_past_the_end_and_stays_failed(void **state)
{
    (void)state;
    struct reader reader = reader_of(BYTES("\1\2\3"));
    assert_int_equal(reader_u16(&reader), 0x0102);
    assert_int_equal(reader_u16(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_take(&reader, 1).size, 0);
    assert_true(reader.failed);
}

static void a_reader_gives_views(void **state)
{
    (void)state;
    struct bytes source = BYTES("abcdef");
    struct reader reader = reader_of(source);
    struct bytes taken = reader_take(&reader, 4);
    assert_ptr_equal(taken.data, source.data);
    assert_int_equal(taken.size, 4);
    assert_int_equal(reader_take(&reader, 0).size, 0);
    assert_int_equal(reader_take(&reader, SIZE_MAX).size, 0);
    assert_true(reader.failed);
}

static void a_reader_over_nothing_is_at_its_end(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of(NULL, 0));
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    assert_true(reader.failed);
}

static void varints_round_trip(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            struct buffer buffer = {0};
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
            buffer_append_varint(&buffer, value);
            struct reader reader = reader_of(buffer_bytes(&buffer));
            assert_true(reader_varint(&reader) == value);
            assert_false(reader.failed);
            assert_int_equal(reader_left(&reader), 0);
            buffer_fini(&buffer);
        }
    }
}

static void varints_are_these_octets(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append_varint(&buffer, 0);
    buffer_append_varint(&buffer, 127);
    buffer_append_varint(&buffer, 128);
    buffer_append_varint(&buffer, UINT64_MAX);
    assert_bytes_equal(buffer_bytes(&buffer),
                       BYTES("\0\x7f\x80\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"));
    buffer_fini(&buffer);
}

static void varints_of_more_than_64_bits_fail(void **state)
{
    (void)state;
    static const struct bytes bad[] = {
        {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 10},
        {(const uint8_t *)"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0", 11},
        {(const uint8_t *)"\x80", 1},
        {(const uint8_t *)"", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct reader reader = reader_of(bad[i]);
        assert_int_equal(reader_varint(&reader), 0);
        assert_true(reader.failed);
    }
}

/* --- UTF-8 */

/* Writes a code point as UTF-8 would with that many octets, allowed or not. */
static struct bytes encode(uint32_t point, size_t size, uint8_t *out)
{
    static const uint8_t first[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (uint8_t)(first[size] | point);
    return bytes_of(out, size);
}

static size_t shortest(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void exactly_the_code_points_are_valid_utf8(void **state)
{
    (void)state;
    uint8_t out[4];
    for (uint32_t point = 0; point < 0x200000; point++) {
        bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
        bool is_point = point <= 0x10ffff && !is_surrogate;
        if (utf8_is_valid(encode(point, shortest(point), out)) != is_point)
            fail_msg("U+%04X", point);
    }
}

static void overlong_forms_are_not_utf8(void **state)
{
    (void)state;
    uint8_t out[4];
    for (uint32_t point = 0; point < 0x10000; point++) {
        for (size_t size = shortest(point) + 1; size <= 4; size++)
            assert_false(utf8_is_valid(encode(point, size, out)));
    }
}

static void parts_of_sequences_are_not_utf8(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(BYTES("")));
    assert_true(utf8_is_valid(BYTES("a\xe2\x82\xac"
                                    "b\xf0\x9f\x90\xb0")));
    assert_false(utf8_is_valid(BYTES("a\xe2\x82")));
    assert_false(utf8_is_valid(BYTES("\xe2\x82"
                                     "a")));
    assert_false(utf8_is_valid(BYTES("\x82")));
    assert_false(utf8_is_valid(BYTES("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff")));
}

/* --- hash table */

struct entry {
    struct hash_node node;
    unsigned key;
    unsigned seen;
};

static bool has_key(const struct hash_node *node, const void *key)
{
    return container_of(node, const struct entry, node)->key == *(const unsigned *)key;
}

static struct entry *find(const struct hash_table *table, unsigned key)
{
    struct hash_node *node = hash_table_find(table, hash_u64(key), has_key, &key);
    return node == NULL ? NULL : container_of(node, struct entry, node);
}

static void see(void *context, struct hash_node *node)
{
    (void)context;
    container_of(node, struct entry, node)->seen++;
}

static void scan_buckets(const struct hash_table *table, uint64_t *cursor, size_t count, bool *more)
{
    while (*more && count-- > 0)
        *more = hash_table_scan(table, cursor, see, NULL);
}

/* While the table grows and shrinks under the scan, whatever stays is seen once. */
static void a_scan_sees_once_what_stays(void **state)
{
    (void)state;
    enum { stay = 500, come = 4000, go = 300 };
    static struct entry staying[stay], going[go], coming[come];
    for (size_t step = 1; step <= 64; step *= 2) {
        struct hash_table table;
        uint64_t cursor = 0;
        bool more = true;
        hash_table_init(&table);
        for (unsigned i = 0; i < stay; i++) {
            staying[i] = (struct entry){.key = i};
            hash_table_insert(&table, &staying[i].node, hash_u64(i));
        }
        for (unsigned i = 0; i < go; i++) {
            going[i] = (struct entry){.key = stay + i};
            hash_table_insert(&table, &going[i].node, hash_u64(stay + i));
        }
        for (unsigned i = 0; i < come; i++) {
            coming[i] = (struct entry){.key = stay + go + i};
            hash_table_insert(&table, &coming[i].node, hash_u64(coming[i].key));
            if (i < go)
                hash_table_remove(&table, &going[i].node);
            if (i % 8 == 0)
                scan_buckets(&table, &cursor, step, &more);
        }
        scan_buckets(&table, &cursor, SIZE_MAX, &more);
        for (unsigned i = 0; i < stay; i++)
            assert_int_equal(staying[i].seen, 1);
        for (unsigned i = 0; i < come; i++)
            assert_true(coming[i].seen <= 1);
        hash_table_fini(&table);
    }
}

/* Each entry once, at every step of growing. */
static void a_table_is_drained(void **state)
{
    (void)state;
    enum { count_max = 300 };
    static struct entry entries[count_max];
    for (unsigned count = 0; count <= count_max; count++) {
        struct hash_table table;
        struct hash_node *chain;
        size_t cursor = 0, drained = 0;
        bool more = true;
        hash_table_init(&table);
        for (unsigned i = 0; i < count; i++) {
            entries[i] = (struct entry){.key = i};
            hash_table_insert(&table, &entries[i].node, hash_u64(i));
        }
        while (more) {
            more = hash_table_drain(&table, &cursor, &chain);
            for (; chain != NULL; chain = chain->next, drained++)
                container_of(chain, struct entry, node)->seen++;
        }
        assert_int_equal(drained, count);
        assert_int_equal(table.count, 0);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(entries[i].seen, 1);
        hash_table_fini(&table);
    }
}

/* At every step of growing. What is returned goes, and something else with it. */
static void table_is_emptied_by_removing_what_remains(void **state)
{
    (void)state;
    enum { most = 600 };
    for (unsigned count = 0; count < most; count += 7) {
        struct entry entries[most] = {0};
        struct hash_table table;
        struct hash_node *node;
        size_t cursor = 0;
        hash_table_init(&table);
        for (unsigned i = 0; i < count; i++) {
            entries[i].key = i;
            hash_table_insert(&table, &entries[i].node, hash_u64(i));
        }
        while ((node = hash_table_remaining(&table, &cursor)) != NULL) {
            struct entry *entry = container_of(node, struct entry, node);
            struct entry *other = find(&table, entry->key ^ 1);
            hash_table_remove(&table, node);
            if (other != NULL)
                hash_table_remove(&table, &other->node);
        }
        assert_int_equal(table.count, 0);
        hash_table_fini(&table);
    }
}

static void everything_is_found_at_every_step_of_growing(void **state)
{
    (void)state;
    enum { count = 600 };
    static struct entry entries[count];
    struct hash_table table;
    hash_table_init(&table);
    assert_null(find(&table, 0));
    for (unsigned i = 0; i < count; i++) {
        entries[i].key = i;
        hash_table_insert(&table, &entries[i].node, hash_u64(i));
        assert_int_equal(table.count, i + 1);
        for (unsigned key = 0; key < count; key++)
            assert_ptr_equal(find(&table, key), key <= i ? &entries[key] : NULL);
    }
    hash_table_fini(&table);
}

/* Entries of one hash share a chain and are told apart by their keys. */
static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct entry entries[3] = {{.key = 1}, {.key = 2}, {.key = 3}};
    struct hash_table table;
    hash_table_init(&table);
    for (int i = 0; i < 3; i++)
        hash_table_insert(&table, &entries[i].node, 7);
    for (unsigned key = 1; key <= 3; key++)
        assert_ptr_equal(hash_table_find(&table, 7, has_key, &key), &entries[key - 1].node);
    hash_table_remove(&table, &entries[1].node);
    for (unsigned key = 1; key <= 3; key++)
        assert_ptr_equal(hash_table_find(&table, 7, has_key, &key),
                         key == 2 ? NULL : &entries[key - 1].node);
    hash_table_fini(&table);
}

/* For tables of every size: a walk sees each entry once, while what divisor divides is removed. */
static void walk_and_remove(unsigned count, unsigned divisor)
{
    struct entry *entries = xcalloc(count, sizeof *entries);
    struct hash_table table;
    hash_table_init(&table);
    for (unsigned i = 0; i < count; i++) {
        entries[i].key = i;
        hash_table_insert(&table, &entries[i].node, hash_u64(i));
    }
    struct hash_node *node = hash_table_next(&table, NULL);
    while (node != NULL) {
        struct entry *entry = container_of(node, struct entry, node);
        node = hash_table_next(&table, node);
        entry->seen++;
        if (entry->key % divisor == 0)
            hash_table_remove(&table, &entry->node);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(entries[i].seen, 1);
        assert_ptr_equal(find(&table, i), i % divisor == 0 ? NULL : &entries[i]);
    }
    assert_int_equal(table.count, count - (count + divisor - 1) / divisor);
    hash_table_fini(&table);
    free(entries);
}

static void a_walk_may_remove_what_it_passed(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 300; count++) {
        walk_and_remove(count, 1);
        walk_and_remove(count, 2);
        walk_and_remove(count, 1000);
    }
}

/* Seeded additions and removals against an array of flags. */
static void a_table_agrees_with_a_simple_set(void **state)
{
    (void)state;
    enum { keys = 2000 };
    static struct entry entries[keys];
    static bool is_in[keys];
    struct hash_table table;
    uint64_t random = 42;
    size_t count = 0;
    hash_table_init(&table);
    for (int step = 0; step < 200000; step++) {
        random = hash_u64(random + 1);
        unsigned key = (unsigned)(random % (step % 50000 < 25000 ? keys : keys / 20));
        entries[key].key = key;
        assert_ptr_equal(find(&table, key), is_in[key] ? &entries[key] : NULL);
        if (is_in[key])
            hash_table_remove(&table, &entries[key].node);
        else
            hash_table_insert(&table, &entries[key].node, hash_u64(key));
        is_in[key] = !is_in[key];
        count += is_in[key] ? 1 : (size_t)-1;
        assert_int_equal(table.count, count);
    }
    hash_table_fini(&table);
}

/* --- heap */

static uint64_t lowest_key(const uint64_t *keys, size_t count)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        lowest = keys[i] < lowest ? keys[i] : lowest;
    return lowest;
}

/* Seeded insertions, moves and removals against an array of keys. */
static void a_heap_knows_its_lowest_key(void **state)
{
    (void)state;
    enum { nodes = 100 };
    static struct heap_node node[nodes];
    uint64_t keys[nodes];
    struct heap heap = {0};
    uint64_t random = 7;
    memset(keys, 0xff, sizeof keys);
    for (int step = 0; step < 20000; step++) {
        random = hash_u64(random + 1);
        size_t i = random % nodes;
        keys[i] = random >> 32 & 1 ? (random >> 40) % 500 : UINT64_MAX;
        if (keys[i] != UINT64_MAX)
            heap_set(&heap, &node[i], keys[i]);
        else
            heap_remove(&heap, &node[i]);
        assert_true(heap_node_is_set(&node[i]) == (keys[i] != UINT64_MAX));
        struct heap_node *first = heap_first(&heap);
        assert_true((first != NULL ? first->key : UINT64_MAX) == lowest_key(keys, nodes));
    }
    heap_fini(&heap);
}

static void a_heap_gives_its_nodes_in_order(void **state)
{
    (void)state;
    enum { nodes = 1000 };
    static struct heap_node node[nodes];
    struct heap heap = {0};
    for (size_t i = 0; i < nodes; i++)
        heap_set(&heap, &node[i], hash_u64(i) % 300);
    uint64_t before = 0;
    for (size_t i = 0; i < nodes; i++) {
        struct heap_node *first = heap_first(&heap);
        assert_true(first->key >= before);
        before = first->key;
        heap_remove(&heap, first);
    }
    assert_null(heap_first(&heap));
    heap_fini(&heap);
}

/* --- list */

struct item {
    struct list_node node;
    int value;
};

/* The values of a list as digits of a number. */
static int digits(const struct list *list)
{
    int number = 0;
    for (struct list_node *node = list->head.next; node != &list->head; node = node->next) {
        assert_ptr_equal(node->previous->next, node);
        number = number * 10 + list_entry(node, struct item, node)->value;
    }
    return number;
}

static void items_init(struct item *items, int count)
{
    for (int i = 0; i < count; i++) {
        items[i].value = i + 1;
        list_node_init(&items[i].node);
    }
}

static void lists_keep_their_order(void **state)
{
    (void)state;
    struct item items[4];
    struct list list;
    items_init(items, 4);
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_front(&list));
    assert_null(list_pop_front(&list));
    list_push_back(&list, &items[1].node);
    list_push_back(&list, &items[2].node);
    list_push_front(&list, &items[0].node);
    list_insert_before(&items[2].node, &items[3].node);
    assert_int_equal(digits(&list), 1243);
    assert_ptr_equal(list_front(&list), &items[0].node);
    assert_ptr_equal(list_pop_front(&list), &items[0].node);
    assert_int_equal(digits(&list), 243);
}

static void removed_nodes_know_it(void **state)
{
    (void)state;
    struct item items[3];
    struct list list;
    items_init(items, 3);
    list_init(&list);
    assert_false(list_node_is_linked(&items[0].node));
    for (int i = 0; i < 3; i++)
        list_push_back(&list, &items[i].node);
    assert_true(list_node_is_linked(&items[1].node));
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    assert_false(list_node_is_linked(&items[1].node));
    assert_int_equal(digits(&list), 13);
}

static void lists_are_spliced_whole(void **state)
{
    (void)state;
    struct item items[4];
    struct list to, from;
    items_init(items, 4);
    list_init(&to);
    list_init(&from);
    list_splice_back(&to, &from);
    assert_true(list_is_empty(&to));
    list_push_back(&from, &items[0].node);
    list_push_back(&from, &items[1].node);
    list_splice_back(&to, &from);
    assert_true(list_is_empty(&from));
    assert_int_equal(digits(&to), 12);
    list_push_back(&from, &items[2].node);
    list_splice_back(&to, &from);
    assert_int_equal(digits(&to), 123);
}

static void a_walk_over_a_list_may_remove_the_current_node(void **state)
{
    (void)state;
    struct item items[5];
    struct list list;
    int seen = 0;
    items_init(items, 5);
    list_init(&list);
    for (int i = 0; i < 5; i++)
        list_push_back(&list, &items[i].node);
    list_for_each(&list, node)
    {
        struct item *item = list_entry(node, struct item, node);
        seen = seen * 10 + item->value;
        if (item->value % 2 == 1)
            list_remove(node);
    }
    assert_int_equal(seen, 12345);
    assert_int_equal(digits(&list), 24);
}

/* --- allocation */

static void copies_are_copies(void **state)
{
    (void)state;
    char *whole = xstrdup("abc"), *part = xstrndup("abcdef", 2), *shorter = xstrndup("a", 9);
    uint8_t *octets = xmemdup("\0\1", 2);
    assert_string_equal(whole, "abc");
    assert_string_equal(part, "ab");
    assert_string_equal(shorter, "a");
    assert_memory_equal(octets, "\0\1", 2);
    free(whole);
    free(part);
    free(shorter);
    free(octets);
}

static void arrays_grow_by_doubling(void **state)
{
    (void)state;
    uint32_t *array = NULL;
    size_t capacity = 0, changes = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        size_t before = capacity;
        array = xgrow(array, &capacity, i + 1, sizeof *array);
        assert_true(capacity > i);
        changes += capacity != before;
        array[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    assert_in_range(changes, 1, 11);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_ordered_by_their_octets),
        cmocka_unit_test(bytes_are_equal_by_content),
        cmocka_unit_test(hashes_depend_on_content_and_seed),
        cmocka_unit_test(bytes_become_text),
        cmocka_unit_test(numbers_are_in_network_order),
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_has),
        cmocka_unit_test(reserved_room_is_not_moved),
        cmocka_unit_test(text_is_formatted_into_a_buffer),
        cmocka_unit_test(a_reader_fails_past_the_end_and_stays_failed),
        cmocka_unit_test(a_reader_gives_views),
        cmocka_unit_test(a_reader_over_nothing_is_at_its_end),
        cmocka_unit_test(varints_round_trip),
        cmocka_unit_test(varints_are_these_octets),
        cmocka_unit_test(varints_of_more_than_64_bits_fail),
        cmocka_unit_test(exactly_the_code_points_are_valid_utf8),
        cmocka_unit_test(overlong_forms_are_not_utf8),
        cmocka_unit_test(parts_of_sequences_are_not_utf8),
        cmocka_unit_test(a_table_is_drained),
        cmocka_unit_test(table_is_emptied_by_removing_what_remains),
        cmocka_unit_test(everything_is_found_at_every_step_of_growing),
        cmocka_unit_test(a_scan_sees_once_what_stays),
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(a_walk_may_remove_what_it_passed),
        cmocka_unit_test(a_table_agrees_with_a_simple_set),
        cmocka_unit_test(a_heap_knows_its_lowest_key),
        cmocka_unit_test(a_heap_gives_its_nodes_in_order),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(removed_nodes_know_it),
        cmocka_unit_test(lists_are_spliced_whole),
        cmocka_unit_test(a_walk_over_a_list_may_remove_the_current_node),
        cmocka_unit_test(copies_are_copies),
        cmocka_unit_test(arrays_grow_by_doubling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
