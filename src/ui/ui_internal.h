/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_UI_UI_INTERNAL_H
#define LEVERET_UI_UI_INTERNAL_H

#include "ui/ui.h"

/* All of them, from the source that src/ui/embed makes. */
extern const struct ui_file ui_files[];
extern const size_t ui_file_count;

#endif
