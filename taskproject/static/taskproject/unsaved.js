'use strict';
// Asks before a page is left on which something was ticked or typed and not sent, and says that
// a form was sent whose response takes long.
{
    const changed = function(field) {
        if (!field.name || field.disabled || ['hidden', 'submit'].includes(field.type)) {
            return false;
        }
        if (field.type === 'checkbox' || field.type === 'radio') {
            return field.checked !== field.defaultChecked;
        }
        if (field.type === 'select-one' || field.type === 'select-multiple') {
            const options = Array.from(field.options);
            const marked = options.some(option => option.defaultSelected);
            // Without a mark a browser selects the first of a list of one choice.
            return options.some((option, index) => option.selected !== (
                marked || field.multiple ? option.defaultSelected : index === 0
            ));
        }
        return field.value !== field.defaultValue;
    };
    let sent = false;

    window.addEventListener('submit', event => {
        sent = event.target.matches('#content form[method="post"]:not(.restore)');
        const status = event.target.querySelector('[data-sent]');
        if (status) {
            status.textContent = status.dataset.sent;
        }
    });
    window.addEventListener('pageshow', () => {
        sent = false;
        document.querySelector('[data-sent]')?.replaceChildren();
    });
    window.addEventListener('beforeunload', event => {
        const forms = document.querySelectorAll('#content form[method="post"]');
        const refused = document.querySelector('#content .errornote');
        const unsaved = Array.from(forms).some(
            form => Array.from(form.elements).some(changed)
        );
        if (!sent && (refused || unsaved)) {
            event.preventDefault();
        }
    });
}
