'use strict';
// The list of tasks: its buttons complete tasks without loading the page again.
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
});
