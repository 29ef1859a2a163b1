/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors of x-jms-topic: cases as RabbitMQ 3.10 answers them, cases in SQL, what is refused;
 * then seeded random conditions, written as a term and as SQL, against an evaluation that knows
 * neither text nor tree of the product: it works on the condition as it was drawn, with truth
 * values as the numbers 0, 1/2 and 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/table.h"
#include "base/buffer.h"
#include "exchange/selector.h"

static struct buffer message_headers(void)
{
    struct buffer headers = {0};
    amqp_table_add_text(&headers, "s", "abc");
    amqp_table_add_int(&headers, "i", 5);
    amqp_table_add_int(&headers, "neg", -3);
    amqp_table_add_int(&headers, "big", INT64_C(1) << 40);
    amqp_table_add_int(&headers, "max", INT64_MAX);
    amqp_table_add_double(&headers, "d", 2.5);
    amqp_table_add_bool(&headers, "b", true);
    amqp_table_add_bool(&headers, "f", false);
    amqp_table_add_text(&headers, "w", "a%b_c");
    amqp_table_add_text(&headers, "q", "it's");
    amqp_table_add_text(&headers, "e", "");
    amqp_table_add_text(&headers, "nl", "a\nb");
    amqp_table_add_text(&headers, "u", "\xc3\xa9");
    amqp_table_add_void(&headers, "v");
    amqp_table_add_text(&headers, "JMSType", "car");
    return headers;
}

struct selector_case {
    const char *text;
    bool matches;
};

static void check_cases(const struct selector_case *cases, size_t count)
{
    struct buffer headers = message_headers();
    for (size_t i = 0; i < count; i++) {
        const char *reason = "";
        struct selector *selector = selector_parse(bytes_of_text(cases[i].text), &reason);
        if (selector == NULL)
            fail_msg("%s: %s", cases[i].text, reason);
        if (selector_matches(selector, buffer_bytes(&headers)) != cases[i].matches)
            fail_msg("%s %s", cases[i].text, cases[i].matches ? "does not match" : "matches");
        selector_free(selector);
    }
    buffer_fini(&headers);
}

#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof((cases)[0]))

/* Each was bound and published to on RabbitMQ 3.10. */
static void terms_mean_what_they_mean_to_rabbitmq(void **state)
{
    static const struct selector_case cases[] = {
        {"true.", true},
        {"false.", false},
        {"'true'.", true},
        {"{ident,<<\"b\">>}.", true},
        {"{ident,<<\"f\">>}.", false},
        {"{ident,<<\"s\">>}.", false},
        {"{'not',{ident,<<\"f\">>}}.", true},
        {"{'not',{ident,<<\"s\">>}}.", false},
        {"{'not',{ident,<<\"zz\">>}}.", false},
        {"{'>',{ident,<<\"s\">>},5}.", true},
        {"{'<',{ident,<<\"s\">>},5}.", false},
        {"{'=',{ident,<<\"s\">>},5}.", false},
        {"{'<>',{ident,<<\"s\">>},5}.", true},
        {"{'<>',{ident,<<\"zz\">>},5}.", false},
        {"{'>',{ident,<<\"b\">>},5}.", true},
        {"{'<',{ident,<<\"b\">>},<<\"abc\">>}.", true},
        {"{'=',{ident,<<\"b\">>},true}.", true},
        {"{'>',{ident,<<\"b\">>},{ident,<<\"f\">>}}.", true},
        {"{'=',{ident,<<\"i\">>},5.0}.", true},
        {"{'in',{ident,<<\"s\">>},[<<\"x\">>,<<\"abc\">>]}.", true},
        {"{'in',{ident,<<\"i\">>},[5.0]}.", false},
        {"{'in',{ident,<<\"i\">>},[5]}.", true},
        {"{'in',5,[]}.", false},
        {"{'not_in',{ident,<<\"zz\">>},[<<\"x\">>]}.", false},
        {"{'not_in',{ident,<<\"s\">>},[<<\"x\">>]}.", true},
        {"{'like',{ident,<<\"w\">>},<<\"a!%b!_c\">>,<<\"!\">>}.", true},
        {"{'like',{ident,<<\"w\">>},<<\"a!%b!_c\">>,no_escape}.", false},
        {"{'like',{ident,<<\"e\">>},<<\"%\">>,no_escape}.", true},
        {"{'like',{ident,<<\"e\">>},<<\"\">>,no_escape}.", true},
        {"{'like',{ident,<<\"e\">>},<<>>,no_escape}.", true},
        {"{'not_like',{ident,<<\"s\">>},<<\"x%\">>,no_escape}.", true},
        {"{'not_like',{ident,<<\"zz\">>},<<\"x%\">>,no_escape}.", false},
        {"{'between',{ident,<<\"i\">>},1,9}.", true},
        {"{'not_between',{ident,<<\"neg\">>},1,9}.", true},
        {"{'between',{ident,<<\"i\">>},{range,1,9}}.", true},
        {"{'between',{ident,<<\"i\">>},{'-',{ident,<<\"i\">>},1},9}.", true},
        {"{'between',{ident,<<\"zz\">>},1,9}.", false},
        {"{'between',{ident,<<\"s\">>},1,9}.", false},
        {"{'is_null',{ident,<<\"zz\">>}}.", true},
        {"{'not_null',{ident,<<\"zz\">>}}.", false},
        {"{'is_null',{ident,<<\"s\">>}}.", false},
        {"{'not_null',{ident,<<\"s\">>}}.", true},
        {"{'is_null',5}.", false},
        {"{'and',{ident,<<\"zz\">>},false}.", false},
        {"{'not',{'and',{ident,<<\"zz\">>},false}}.", true},
        {"{'or',{ident,<<\"zz\">>},true}.", true},
        {"{'or',{ident,<<\"zz\">>},false}.", false},
        {"{'and',{ident,<<\"s\">>},true}.", false},
        {"{'or',{ident,<<\"s\">>},true}.", true},
        {"{'=',{'+',{ident,<<\"i\">>},1},6}.", true},
        {"{'=',{'/',{ident,<<\"i\">>},2},2.5}.", true},
        {"{'=',{'-',{ident,<<\"i\">>}},-5}.", true},
        {"{'>',{'/',{ident,<<\"i\">>},0},1}.", true},
        {"{'=',{'*',{ident,<<\"i\">>},{ident,<<\"i\">>}},25}.", true},
        {"{'=',{ident,<<\"q\">>},<<\"it's\">>}.", true},
        {"{'>',{ident,<<\"s\">>},<<\"abb\">>}.", true},
        {"{'<',{ident,<<\"s\">>},<<\"abcd\">>}.", true},
        {"{'=',{ident,<<\"big\">>},1099511627776}.", true},
        {"{'=',1.0e1,10}.", true},
        {"5.", false},
        {"<<\"x\">>.", false},
        {"{'+',{ident,<<\"i\">>}}.", false},
        {" { '=' , { 'ident' , << \"i\" >> } , + 5 } . ", true},
        {"{'=',{ident,<<\"JMSType\">>},<<\"c\\\\ar\">>}.", false},
        {"{'=',<<\"a\\\"\">>,<<\"a\\\"\">>}", true},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void sql_means_what_jms_says(void **state)
{
    static const struct selector_case cases[] = {
        {"s = 'abc'", true},
        {"s='abd'", false},
        {"S = 'abc'", false},
        {"JMSType = 'car' AND i = 5", true},
        {"jmstype = 'car' OR i <> 5", false},
        {"q = 'it''s'", true},
        {"b", true},
        {"NOT f", true},
        {"not not b", true},
        {"b = TRUE and f = false", true},
        {"i > 4 AND i >= 5 AND i < 6 AND i <= 5", true},
        {"i = 5.0 AND d = 2.5", true},
        {"i + 2 * 3 = 11", true},
        {"(i + 2) * 3 = 21", true},
        {"10 - 3 - 2 = 5", true},
        {"8 / 4 / 2 = 1", true},
        {"-i = -5 AND +i = 5 AND - -i = 5", true},
        {"i = 0x5 AND i = 5L AND d = 2.5f AND d = 25e-1 AND 1e2 = 100", true},
        {"max + 1 > max", true},
        {"max = 9223372036854775807.0", false},
        {"i < 5.5 AND i > 4.5 AND -i > -5.5 AND 5.5 > i", true},
        {"9223372036854775808 > max", true},
        {"0 - max - 2 < neg", true},
        {"i BETWEEN 1 AND 5", true},
        {"i not between 1 and 4", true},
        {"i BETWEEN 6 AND 9 OR s LIKE 'a%'", true},
        {"i BETWEEN 1 + 1 AND 2 * 3 AND b", true},
        {"s IN ('x', 'abc')", true},
        {"s NOT IN ('x', 'y')", true},
        {"i IN (1, -3, 5)", true},
        {"zz NOT IN ('x')", false},
        {"s LIKE 'a_c'", true},
        {"s LIKE 'a_'", false},
        {"s NOT LIKE '%d'", true},
        {"s LIKE '%b%' AND s LIKE '%' AND s LIKE '%%c' AND s LIKE 'abc%'", true},
        {"s LIKE '%a%b%c%'", true},
        {"s LIKE '%b_%'", true},
        {"s LIKE '%c_%'", false},
        {"w LIKE 'a\\%b\\_c' ESCAPE '\\'", true},
        {"w LIKE 'a\\%c' ESCAPE '\\'", false},
        {"w LIKE '__%_c'", true},
        {"w LIKE 'a%%%%c' ESCAPE '%'", false},
        {"i LIKE '5'", false},
        {"i NOT LIKE '5'", false},
        {"zz LIKE '%'", false},
        {"nl LIKE 'a%b' AND nl LIKE 'a_b'", true},
        {"u LIKE '_'", true},
        {"u LIKE '__'", false},
        {"zz IS NULL AND s IS NOT NULL", true},
        {"v IS NULL", true},
        {"zz = zz", false},
        {"NOT (zz = 1)", false},
        {"zz = 1 OR b", true},
        {"zz = 1 AND f", false},
        {"NOT (zz = 1 AND f)", true},
        {"s + 1 = 2 OR s + 1 <> 2", false},
        {"i / 0 > max", true},
        {"-i / 0 < neg", true},
        {"f OR b AND f", false},
        {"(f OR b) AND f OR b", true},
        {"NOT f AND b", true},
        {"NOT (f OR b)", false},
        {"android = 1 or b", true},
        {"(b)", true},
        {"\t b\n", true},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void malformed_text_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        ".",
        "{",
        "{}.",
        "{foo,bar}.",
        "{'=',1}.",
        "{'=',1,2,3}.",
        "{'=',1,2}}.",
        "{'=',1,2}.x",
        "{'=',{ident,a},2}.",
        "{ident,<<\"a\">>",
        "{ident,<<\"a>>}.",
        "{'=,1,2}.",
        "{'like',{ident,<<\"a\">>},<<\"x\">>,<<\"ab\">>}.",
        "{'like',{ident,<<\"a\">>},<<\"x\">>,other}.",
        "{'like',{ident,<<\"a\">>},{ident,<<\"b\">>},no_escape}.",
        "{'in',{ident,<<\"a\">>},[{ident,<<\"b\">>}]}.",
        "{'in',{ident,<<\"a\">>},[1,]}.",
        "nonsense.",
        "1.e5.",
        "a =",
        "= 1",
        "a = 1 AND",
        "a == 1",
        "a = 'x",
        "a = 1 b = 2",
        "(a = 1",
        "a = 1)",
        "a LIKE b",
        "a LIKE 'x' ESCAPE 'yz'",
        "a LIKE 'x' ESCAPE ''",
        "a IN ()",
        "a IN 1",
        "a IN (b)",
        "a IS 5",
        "a BETWEEN 1 OR 2",
        "a NOT = 1",
        "AND",
        "NULL",
        "1 + ",
        "a ! b",
        "0x",
        "1.2.3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *reason = NULL;
        if (selector_parse(bytes_of_text(texts[i]), &reason) != NULL)
            fail_msg("'%s' is taken", texts[i]);
        assert_non_null(reason);
    }
}

static void refuse_repeated(const char *begin, const char *middle, const char *end)
{
    enum { repeats = 10000 };
    struct buffer text = {0};
    const char *reason = NULL;
    for (size_t i = 0; i < repeats; i++)
        buffer_append_bytes(&text, bytes_of_text(begin));
    buffer_append_bytes(&text, bytes_of_text(middle));
    for (size_t i = 0; i < repeats; i++)
        buffer_append_bytes(&text, bytes_of_text(end));
    assert_null(selector_parse(buffer_bytes(&text), &reason));
    assert_string_equal(reason, "nested too deep");
    buffer_fini(&text);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    refuse_repeated("(", "a", ")");
    refuse_repeated("NOT ", "a", "");
    refuse_repeated("-", "a", "");
    refuse_repeated("a OR ", "a", "");
    refuse_repeated("a AND ", "a", "");
    refuse_repeated("1 + ", "1", "");
    refuse_repeated("1 * ", "1", "");
    refuse_repeated("{'not',", "true", "}");
    refuse_repeated("{'-',", "1", "}");
}

/* What would take minutes ends after a bounded number of steps, unmatched. */
static void a_pattern_cannot_stall(void **state)
{
    struct buffer text = {0}, headers = {0}, value = {0};
    const char *reason;
    (void)state;
    buffer_append_bytes(&text, bytes_of_text("a LIKE '%"));
    for (size_t i = 0; i < 1000; i++)
        buffer_append_bytes(&text, bytes_of_text("a"));
    buffer_append_bytes(&text, bytes_of_text("b'"));
    for (size_t i = 0; i < 100000; i++)
        buffer_append_bytes(&value, bytes_of_text("a"));
    amqp_table_add_longstr(&headers, "a", buffer_bytes(&value));
    struct selector *selector = selector_parse(buffer_bytes(&text), &reason);
    assert_non_null(selector);
    assert_false(selector_matches(selector, buffer_bytes(&headers)));
    selector_free(selector);
    buffer_fini(&text);
    buffer_fini(&headers);
    buffer_fini(&value);
}

/* --- random conditions against an evaluation of their own --- */

enum drawn_kind { TRUTH, COMPARE, NOT, AND, OR, IS_NULL, IN, BETWEEN, kinds_count };

/* The headers of drawn messages are a to d: absent, or one of a few integers. */
enum { names_count = 4, absent = 99, nodes_max = 64 };

struct drawn {
    enum drawn_kind kind;
    int left, right;     /* nodes of NOT, AND and OR */
    int name, operation; /* COMPARE: name OPERATION limit + offset; the others: name, limits */
    int limit, limit_2;
    bool is_negated, truth;
};

struct condition {
    struct drawn nodes[nodes_max];
    int count;
    uint64_t seed;
};

static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">="};

static int draw(struct condition *condition, int limit)
{
    condition->seed = condition->seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((condition->seed >> 33) % (uint64_t)limit);
}

static int draw_node(struct condition *condition, int depth)
{
    if (condition->count + 3 > nodes_max)
        depth = 0;
    int at = condition->count++;
    struct drawn node = {.kind = (enum drawn_kind)draw(condition, kinds_count)};
    if (depth == 0 && (node.kind == NOT || node.kind == AND || node.kind == OR))
        node.kind = COMPARE;
    node.name = draw(condition, names_count);
    node.operation = draw(condition, 6);
    node.limit = draw(condition, 7) - 3;
    node.limit_2 = draw(condition, 7) - 3;
    node.is_negated = draw(condition, 2) == 1;
    node.truth = draw(condition, 2) == 1;
    if (node.kind == NOT || node.kind == AND || node.kind == OR)
        node.left = draw_node(condition, depth - 1);
    if (node.kind == AND || node.kind == OR)
        node.right = draw_node(condition, depth - 1);
    condition->nodes[at] = node;
    return at;
}

static void append(struct buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(struct buffer *text, const char *format, ...)
{
    char piece[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    buffer_append_bytes(text, bytes_of_text(piece));
}

static void write_sql(const struct condition *condition, int at, struct buffer *text)
{
    const struct drawn *node = &condition->nodes[at];
    const char *not = node->is_negated ? "NOT " : "";
    char name = (char)('a' + node->name);
    switch (node->kind) {
    case TRUTH:
        append(text, "%s", node->truth ? "TRUE" : "false");
        break;
    case COMPARE:
        append(text, "%c - 1 %s %d", name, comparisons[node->operation], node->limit);
        break;
    case IS_NULL:
        append(text, "%c IS %sNULL", name, not );
        break;
    case IN:
        append(text, "%c %sIN (%d, %d)", name, not, node->limit, node->limit_2);
        break;
    case BETWEEN:
        append(text, "%c %sBETWEEN %d AND %d", name, not, node->limit, node->limit_2);
        break;
    default:
        append(text, node->kind == NOT ? "NOT (" : "(");
        write_sql(condition, node->left, text);
        if (node->kind != NOT) {
            append(text, node->kind == AND ? ") AND (" : ") OR (");
            write_sql(condition, node->right, text);
        }
        append(text, ")");
    }
}

static void write_term(const struct condition *condition, int at, struct buffer *text)
{
    const struct drawn *node = &condition->nodes[at];
    const char *not = node->is_negated ? "not_" : "";
    char name = (char)('a' + node->name);
    switch (node->kind) {
    case TRUTH:
        append(text, "%s", node->truth ? "true" : "'false'");
        break;
    case COMPARE:
        append(text, "{'%s',{'-',{'ident',<<\"%c\">>},1},%d}", comparisons[node->operation], name,
               node->limit);
        break;
    case IS_NULL:
        append(text, "{'%s_null',{'ident',<<\"%c\">>}}", node->is_negated ? "not" : "is", name);
        break;
    case IN:
        append(text, "{'%sin',{'ident',<<\"%c\">>},[%d,%d]}", not, name, node->limit,
               node->limit_2);
        break;
    case BETWEEN:
        append(text, "{'%sbetween',{'ident',<<\"%c\">>},%d,%d}", not, name, node->limit,
               node->limit_2);
        break;
    default:
        append(text, "{'%s',", node->kind == NOT ? "not" : node->kind == AND ? "and" : "or");
        write_term(condition, node->left, text);
        if (node->kind != NOT) {
            append(text, ",");
            write_term(condition, node->right, text);
        }
        append(text, "}");
    }
}

static bool holds(int operation, int a, int b)
{
    const bool answers[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
    return answers[operation];
}

/* 0 is false, 1 unknown, 2 true: NOT is 2 - x, AND the minimum, OR the maximum. */
static int judge(const struct condition *condition, int at, const int *headers)
{
    const struct drawn *node = &condition->nodes[at];
    int value = headers[node->name], answer;
    switch (node->kind) {
    case TRUTH:
        return node->truth ? 2 : 0;
    case NOT:
        return 2 - judge(condition, node->left, headers);
    case AND:
    case OR: {
        int left = judge(condition, node->left, headers);
        int right = judge(condition, node->right, headers);
        return (node->kind == AND) == (left < right) ? left : right;
    }
    case IS_NULL:
        return (value == absent) != node->is_negated ? 2 : 0;
    case COMPARE:
        return value == absent ? 1 : holds(node->operation, value - 1, node->limit) ? 2 : 0;
    case IN:
        answer = value == node->limit || value == node->limit_2 ? 2 : 0;
        break;
    default:
        answer = node->limit <= value && value <= node->limit_2 ? 2 : 0;
    }
    return value == absent ? 1 : node->is_negated ? 2 - answer : answer;
}

static void draw_headers(struct condition *condition, int *values, struct buffer *headers)
{
    static const uint8_t types[] = {AMQP_TYPE_INT8, AMQP_TYPE_INT32, AMQP_TYPE_INT64,
                                    AMQP_TYPE_INT16};
    for (int i = 0; i < names_count; i++) {
        char name[2] = {(char)('a' + i)};
        struct amqp_value value = {.type = types[i], .integer = draw(condition, 7) - 3};
        bool is_absent = draw(condition, 4) == 0;
        values[i] = is_absent ? absent : (int)value.integer;
        if (!is_absent)
            amqp_table_add_value(headers, name, &value);
    }
}

static void check_condition(struct condition *condition, int root, struct bytes text)
{
    const char *reason = "";
    struct selector *selector = selector_parse(text, &reason);
    if (selector == NULL)
        fail_msg("%.*s: %s", (int)text.size, (const char *)text.data, reason);
    for (int i = 0; i < 20; i++) {
        struct buffer headers = {0};
        int values[names_count];
        draw_headers(condition, values, &headers);
        bool expected = judge(condition, root, values) == 2;
        if (selector_matches(selector, buffer_bytes(&headers)) != expected)
            fail_msg("%.*s with a=%d b=%d c=%d d=%d (%d: absent) is %d", (int)text.size,
                     (const char *)text.data, values[0], values[1], values[2], values[3], absent,
                     expected);
        buffer_fini(&headers);
    }
    selector_free(selector);
}

static void random_conditions_mean_what_they_say(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        static struct condition condition;
        struct buffer sql = {0}, term = {0};
        condition = (struct condition){.seed = seed};
        int root = draw_node(&condition, 5);
        write_sql(&condition, root, &sql);
        write_term(&condition, root, &term);
        append(&term, ".");
        check_condition(&condition, root, buffer_bytes(&sql));
        check_condition(&condition, root, buffer_bytes(&term));
        buffer_fini(&sql);
        buffer_fini(&term);
    }
}

/* Any cut of a valid text, and any octet changed: no crash, whatever it means then. */
static void damaged_text_does_no_harm(void **state)
{
    static const char text[] =
        "{'and',{'like',{'ident',<<\"a\">>},<<\"x%\">>,<<\"!\">>},{'in',{'ident',<<\"b\">>},"
        "[1,-2.5e3]}}. a LIKE 'x%' ESCAPE '!' AND (b IN (1, 2.5e3) OR c BETWEEN -1 AND 0x1f)";
    struct buffer headers = message_headers();
    (void)state;
    for (size_t first = 0; first < sizeof text; first++) {
        for (size_t end = first; end < sizeof text; end++) {
            const char *reason;
            char copy[sizeof text];
            memcpy(copy, text, sizeof text);
            copy[(first + end) / 2] = text[(first * 31 + end * 17) % (sizeof text - 1)];
            struct selector *selector =
                selector_parse(bytes_of(copy + first, end - first), &reason);
            if (selector != NULL)
                (void)selector_matches(selector, buffer_bytes(&headers));
            selector_free(selector);
        }
    }
    buffer_fini(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_mean_what_they_mean_to_rabbitmq),
        cmocka_unit_test(sql_means_what_jms_says),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_pattern_cannot_stall),
        cmocka_unit_test(random_conditions_mean_what_they_say),
        cmocka_unit_test(damaged_text_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
