/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of `leveretctl top`. One loop waits for keys, for the server's answer and for the time
 * to ask again; nothing else waits, so that a server that is slow or gone leaves the keys as quick
 * as ever. What was last seen stays until there is something newer, and says so.
 *
 * curses finds out what has changed on the screen, and knows terminals.
 */
#include "cli/top_screen.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/top.h"
#include "net/control.h"

enum {
    ESCAPE = 27,
    DELETE = 127,
    ERASE_LINE = 'U' & 31,
    REDRAW = 'L' & 31,
    ESCAPE_DELAY_MS = 25,
    ROWS_MAX = 1000,
    ANSWER_MS_MAX = 30000,
    INTERVAL_MS_MIN = 500,
    INTERVAL_MS_MAX = 60000,
    ALARM_COLOUR = 1,
};

struct screen {
    struct top *top; /* borrowed */
    const struct options *options;
    struct client_talk talk;
    int64_t interval_ms, next_ms, asked_ms;
    char trouble[256]; /* why there is no answer; "": there is */
    size_t first;      /* row on the screen */
    bool is_paused, has_help, is_filtering, has_quit;
    char filter[TOP_FILTER_MAX + 1]; /* being typed */
};

/* --- what is drawn */

static void draw(int line, const struct buffer *text, int look)
{
    attrset(look);
    mvaddnstr(line, 0, text->size > 0 ? (const char *)text->data : "", (int)text->size);
    attrset(A_NORMAL);
}

static int alarm_look(void)
{
    return (int)(A_BOLD | (has_colors() ? COLOR_PAIR(ALARM_COLOUR) : 0));
}

static bool has_alarm(const struct top *top)
{
    return json_array_size(json_object_get(top->answer, "alarms")) > 0 ||
           json_is_true(json_object_get(top->answer, "is_under_maintenance"));
}

/* The line below it. */
static int draw_totals(const struct screen *screen)
{
    struct buffer text = {0};
    int line = 0;
    const char *const first_word = "Alarms";
    for (size_t i = 0; screen->top->answer != NULL && line < LINES; i++) {
        if (!top_print_totals(screen->top, i, &text))
            break;
        top_clip(&text, COLS);
        bool is_alarm = text.size > strlen(first_word) &&
                        memcmp(text.data, first_word, strlen(first_word)) == 0 &&
                        has_alarm(screen->top);
        draw(line++, &text, is_alarm ? alarm_look() : i == 0 ? (int)A_BOLD : (int)A_NORMAL);
        buffer_clear(&text);
    }
    buffer_fini(&text);
    return line;
}

static void append_state(const struct screen *screen, struct buffer *text)
{
    const struct top *top = screen->top;
    const struct top_view *view = &top_views[top->view];
    if (screen->is_filtering) {
        buffer_append_format(text, "Filter: %s_", screen->filter);
        return;
    }
    for (size_t i = 0; i < TOP_VIEWS; i++)
        buffer_append_format(text, i == top->view ? "[%s] " : " %s  ", top_views[i].name);
    if (top->answer != NULL)
        buffer_append_format(text, " %" PRId64 " of %" PRId64, top_number(top, "matching_count"),
                             top_number(top, "seen_count"));
    buffer_append_format(text, ", by %s", view->columns[top->sorts[top->view].column].title);
    if (top->filter[0] != '\0')
        buffer_append_format(text, ", with '%s'", top->filter);
    if (screen->is_paused)
        buffer_append_format(text, ", PAUSED");
}

/* Between the totals and the table: what is shown, or why it is old. */
static void draw_state(const struct screen *screen, int line)
{
    struct buffer text = {0};
    bool is_trouble = screen->trouble[0] != '\0' && !screen->is_filtering;
    if (is_trouble)
        buffer_append_format(&text, "No answer, trying again: %s", screen->trouble);
    else
        append_state(screen, &text);
    top_clip(&text, COLS);
    draw(line, &text, is_trouble ? alarm_look() : (int)A_NORMAL);
    buffer_fini(&text);
}

static void draw_table(const struct screen *screen, int line)
{
    const struct top *top = screen->top;
    struct buffer text = {0};
    int name_width = top_name_width(top, COLS);
    top_print_titles(top, name_width, COLS, &text);
    draw(line++, &text, A_REVERSE);
    for (size_t row = screen->first; row < top_row_count(top) && line + 1 < LINES; row++) {
        buffer_clear(&text);
        top_print_row(top, row, name_width, COLS, &text);
        draw(line++, &text, screen->trouble[0] != '\0' ? (int)A_DIM : (int)A_NORMAL);
    }
    buffer_fini(&text);
}

static void draw_lines(const char *const *texts, int line)
{
    for (; *texts != NULL && line < LINES; texts++) {
        struct buffer text = {0};
        buffer_append_format(&text, "%s", *texts);
        top_clip(&text, COLS);
        draw(line++, &text, A_NORMAL);
        buffer_fini(&text);
    }
}

static void paint(const struct screen *screen)
{
    static const char *const help[] = {
        "Tab, 1 2 3     queues, connections, channels",
        "< >            sort by another column, or with the arrows to the left and right",
        "r              the other way round",
        "/              show only what has this text in its name, virtual host, user, type or "
        "state",
        "Space          pause, and go on",
        "+ -            look less often, more often",
        "Up Down        further rows; also PageUp, PageDown, Home",
        "q              quit",
        NULL};
    static const char *const keys[] = {
        "q quit  h help  Tab view  < > sort  r reverse  / filter  Space pause", NULL};
    erase();
    int line = draw_totals(screen);
    draw_state(screen, line++);
    if (screen->has_help)
        draw_lines(help, line + 1);
    else
        draw_table(screen, line);
    if (LINES > line)
        draw_lines(keys, LINES - 1);
    refresh();
}

/* --- the server */

static void ask(struct screen *screen)
{
    size_t count = screen->first + (size_t)LINES;
    json_t *request = top_request(screen->top, count < ROWS_MAX ? count : ROWS_MAX);
    screen->asked_ms = client_now_ms();
    screen->next_ms = screen->asked_ms + screen->interval_ms;
    if (!client_begin(&screen->talk, screen->options->data_dir, request, screen->trouble,
                      sizeof screen->trouble))
        screen->talk.fd = -1;
    json_decref(request);
}

/* What is under way is about something else now. */
static void ask_anew(struct screen *screen)
{
    client_end(&screen->talk);
    screen->next_ms = 0;
}

static void take(struct screen *screen, json_t *reply)
{
    const char *error = json_string_value(json_object_get(reply, "error"));
    json_t *result = json_object_get(reply, "result");
    if (json_is_object(result)) {
        screen->trouble[0] = '\0';
        top_take(screen->top, json_incref(result));
    } else {
        snprintf(screen->trouble, sizeof screen->trouble, "%s",
                 error != NULL ? error : "the server has ended the connection");
    }
    size_t count = top_row_count(screen->top);
    if (screen->first >= count)
        screen->first = count > 0 ? count - 1 : 0;
}

static void listen_to_server(struct screen *screen)
{
    json_t *reply;
    if (client_continue(&screen->talk, &reply)) {
        take(screen, reply);
        json_decref(reply);
    } else if (client_now_ms() > screen->asked_ms + ANSWER_MS_MAX) {
        client_end(&screen->talk);
        snprintf(screen->trouble, sizeof screen->trouble, "the server takes too long");
    }
}

/* --- keys */

static void type_filter(struct screen *screen, int key)
{
    size_t size = strlen(screen->filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        snprintf(screen->top->filter, sizeof screen->top->filter, "%s", screen->filter);
        screen->first = 0;
        ask_anew(screen);
    }
    if (key == '\n' || key == '\r' || key == KEY_ENTER || key == ESCAPE) {
        screen->is_filtering = false;
    } else if (key == KEY_BACKSPACE || key == DELETE || key == '\b') {
        while (size > 0 && (screen->filter[size - 1] & 0xc0) == 0x80)
            size--; /* the rest of a character */
        screen->filter[size > 0 ? size - 1 : 0] = '\0';
    } else if (key == ERASE_LINE) {
        screen->filter[0] = '\0';
    } else if (key >= ' ' && key <= 0xff && size < TOP_FILTER_MAX) {
        screen->filter[size] = (char)key;
        screen->filter[size + 1] = '\0';
    }
}

static void show_view(struct screen *screen, size_t view)
{
    screen->top->view = view;
    screen->first = 0;
    json_object_set_new(screen->top->answer, "rows", json_array());
    ask_anew(screen);
}

static void move_sort(struct screen *screen, size_t steps)
{
    struct top *top = screen->top;
    size_t count = top_views[top->view].column_count;
    top_set_sort(top, (top->sorts[top->view].column + steps) % count);
    ask_anew(screen);
}

static void scroll_by(struct screen *screen, int rows)
{
    int64_t most = top_number(screen->top, "matching_count");
    int64_t first = (int64_t)screen->first + rows;
    first = first > most - 1 ? most - 1 : first;
    first = first > ROWS_MAX - LINES ? ROWS_MAX - LINES : first;
    screen->first = first > 0 ? (size_t)first : 0;
    ask_anew(screen);
}

static void change_interval(struct screen *screen, int64_t interval_ms)
{
    screen->interval_ms = interval_ms < INTERVAL_MS_MIN   ? INTERVAL_MS_MIN
                          : interval_ms > INTERVAL_MS_MAX ? INTERVAL_MS_MAX
                                                          : interval_ms;
    ask_anew(screen);
}

static void begin_filter(struct screen *screen)
{
    snprintf(screen->filter, sizeof screen->filter, "%s", screen->top->filter);
    screen->is_filtering = true;
}

static void reverse(struct screen *screen)
{
    struct top *top = screen->top;
    top->sorts[top->view].is_ascending = !top->sorts[top->view].is_ascending;
    ask_anew(screen);
}

static void press_to_scroll(struct screen *screen, int key)
{
    switch (key) {
    case KEY_UP:
        scroll_by(screen, -1);
        break;
    case KEY_DOWN:
        scroll_by(screen, 1);
        break;
    case KEY_PPAGE:
        scroll_by(screen, -LINES / 2);
        break;
    case KEY_NPAGE:
        scroll_by(screen, LINES / 2);
        break;
    case KEY_HOME:
        scroll_by(screen, -ROWS_MAX);
        break;
    case REDRAW:
        clearok(curscr, TRUE);
        break;
    default:
        break;
    }
}

static void press(struct screen *screen, int key)
{
    size_t count = top_views[screen->top->view].column_count;
    switch (key) {
    case 'q':
        screen->has_quit = true;
        break;
    case 'h':
    case '?':
        screen->has_help = !screen->has_help;
        break;
    case '\t':
        show_view(screen, (screen->top->view + 1) % TOP_VIEWS);
        break;
    case '1':
    case '2':
    case '3':
        show_view(screen, (size_t)(key - '1'));
        break;
    case '>':
    case KEY_RIGHT:
        move_sort(screen, 1);
        break;
    case '<':
    case KEY_LEFT:
        move_sort(screen, count - 1);
        break;
    case 'r':
        reverse(screen);
        break;
    case '/':
        begin_filter(screen);
        break;
    case ' ':
        screen->is_paused = !screen->is_paused;
        break;
    case '+':
        change_interval(screen, screen->interval_ms * 2);
        break;
    case '-':
        change_interval(screen, screen->interval_ms / 2);
        break;
    default:
        press_to_scroll(screen, key);
        break;
    }
}

static void listen_to_keys(struct screen *screen)
{
    int key;
    while (!screen->has_quit && (key = getch()) != ERR) {
        if (key == KEY_RESIZE)
            ask_anew(screen);
        else if (screen->is_filtering)
            type_filter(screen, key);
        else
            press(screen, key);
    }
}

/* --- the loop */

/* In ms; -1: for a key alone. */
static int patience(const struct screen *screen)
{
    int64_t now_ms = client_now_ms();
    int64_t until_ms =
        screen->talk.fd >= 0 ? screen->asked_ms + ANSWER_MS_MAX + 1 : screen->next_ms;
    if (screen->is_paused && screen->talk.fd < 0 && screen->next_ms > 0)
        return -1;
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

static void step(struct screen *screen)
{
    struct pollfd events[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = screen->talk.fd, .events = POLLIN}};
    int count = poll(events, 2, patience(screen));
    listen_to_keys(screen); /* also after a signal: the size of the terminal is one */
    if (count > 0 && events[0].revents & (POLLHUP | POLLERR | POLLNVAL))
        screen->has_quit = true; /* the terminal is gone */
    if (screen->talk.fd >= 0)
        listen_to_server(screen);
    if (screen->talk.fd < 0 && client_now_ms() >= screen->next_ms &&
        (!screen->is_paused || screen->next_ms == 0))
        ask(screen);
}

static bool begin(void)
{

    if (!terminal_is_known() || newterm(NULL, stdout, stdin) == NULL)
        return false;
    set_escdelay(ESCAPE_DELAY_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(ALARM_COLOUR, COLOR_RED, -1);
    }
    return true;
}

int top_screen_run(struct top *top, const struct options *options, int64_t interval_ms)
{
    struct screen screen = {
        .top = top, .options = options, .talk = {.fd = -1}, .interval_ms = interval_ms};
    if (!begin()) {
        fprintf(stderr, "Error: the terminal '%s' is not known, or cannot do it; see --once\n",
                getenv("TERM") != NULL ? getenv("TERM") : "");
        return CONTROL_UNAVAILABLE;
    }
    while (!screen.has_quit) {
        paint(&screen);
        step(&screen);
    }
    client_end(&screen.talk);
    endwin();
    return CONTROL_OK;
}
