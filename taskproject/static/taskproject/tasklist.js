'use strict';
// The list of tasks: its buttons complete tasks without loading the page again, and keys move
// in it.
document.addEventListener('DOMContentLoaded', () => {
    const form = document.getElementById('row-form');
    const tell = (text, level) => {
        const list = document.createElement('ul');
        list.className = 'messagelist';
        list.append(Object.assign(document.createElement('li'), {className: level, textContent: text}));
        document.getElementById('row-messages').replaceChildren(list);
    };

    form?.addEventListener('submit', async event => {
        event.preventDefault();
        event.stopPropagation(); // The page is not left.
        const button = event.submitter;
        const row = button.closest('tr');
        const body = new FormData(form);
        body.set(button.name, button.value);
        button.disabled = true;
        try {
            const response = await fetch(button.formAction, {
                method: 'POST', body, headers: {Accept: 'application/json'},
            });
            const {message, level, cells} = await response.json();
            for (const [name, html] of Object.entries(cells)) {
                const cell = row.querySelector(`.field-${name}`);
                if (cell) {
                    cell.innerHTML = html;
                }
            }
            tell(message, level);
            row.querySelector('.completion').focus();
        } catch {
            button.disabled = false;
            tell('This did not work. Reload the page to see what is stored.', 'error');
        }
    });

    document.addEventListener('keydown', event => {
        const panel = document.querySelector('.views details[open]');
        if (event.key === 'Escape' && panel) {
            panel.open = false;
            panel.firstElementChild.focus();
        }
    });

    // The keys of the list. They can be switched off: assistive software has keys of its own.
    const dialog = document.getElementById('keys');
    const enabled = document.getElementById('keys-enabled');
    const opener = document.getElementById('keys-open');
    const current = () => document.activeElement.closest('#result_list tbody tr');
    const move = step => {
        const rows = Array.from(document.querySelectorAll('#result_list tbody tr'));
        const next = Math.max(0, rows.indexOf(current()) + step);
        rows[Math.min(next, rows.length - 1)]?.querySelector('.field-title a').focus();
    };
    const keys = new Map([
        ['j', () => move(1)],
        ['k', () => move(-1)],
        ['x', () => current()?.querySelector('.action-select')?.click()],
        ['e', () => current()?.querySelector('.field-title a').click()],
        ['/', () => document.getElementById('searchbar')?.select()],
        ['?', () => dialog.showModal()],
    ]);
    if (!dialog) {
        return;
    }
    opener.hidden = false;
    opener.addEventListener('click', () => dialog.showModal());
    enabled.checked = localStorage.getItem('tasks.keys') !== 'off';
    enabled.addEventListener('change', () => {
        localStorage.setItem('tasks.keys', enabled.checked ? 'on' : 'off');
    });
    document.addEventListener('keydown', event => {
        const typing = event.target.closest('input:not([type=checkbox], [type=radio], [type=submit]), '
            + 'textarea, select, [contenteditable], [role=combobox]');
        const held = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
        if (enabled.checked && keys.has(event.key) && !typing && !held && !dialog.open) {
            event.preventDefault();
            keys.get(event.key)();
        }
    });
});
