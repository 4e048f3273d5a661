// Runs the SQL statements of standard input on a database, and prints the rows: values with bars between them, as the
// shell of SQLite does.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

static int print_row(void *unused, int columns, char **values, char **names) {
    (void)unused;
    (void)names;
    for (int column = 0; column < columns; column++) {
        printf("%s%s", column == 0 ? "" : "|", values[column] == NULL ? "" : values[column]);
    }
    putchar('\n');
    return 0;
}

static char *read_all(FILE *file) {
    size_t length = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text != NULL) {
        length += fread(text + length, 1, capacity - length - 1, file);
        if (length < capacity - 1) {
            text[length] = '\0';
            break;
        }
        capacity *= 2;
        text = realloc(text, capacity);
    }
    return text;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s DATABASE < STATEMENTS\n", arguments[0]);
        return 2;
    }
    sqlite3 *database = NULL;
    char *message = NULL;
    char *statements = read_all(stdin);
    int result = sqlite3_open(arguments[1], &database);
    if (result == SQLITE_OK && statements != NULL) {
        result = sqlite3_exec(database, statements, print_row, NULL, &message);
    }
    if (result != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", arguments[0], message != NULL ? message : sqlite3_errmsg(database));
    }
    sqlite3_free(message);
    free(statements);
    int closed = sqlite3_close(database);
    return result != SQLITE_OK || closed != SQLITE_OK;
}
