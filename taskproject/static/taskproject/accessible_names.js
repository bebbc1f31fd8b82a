'use strict';
// Gives what the admin's own scripts make a name, for screen readers, and each value of a list
// the heading of its column, which stands beside it on a phone. Shows the section's name.
{
    const give = () => {
        for (const box of document.querySelectorAll('.select2-selection[role="combobox"]')) {
            const select = box.closest('.select2-container').previousElementSibling;
            const name = select.labels[0] || select;
            const value = box.querySelector('.select2-selection__rendered');
            name.id ||= `${select.id}_label`;
            value.removeAttribute('role');
            value.removeAttribute('aria-readonly');
            box.setAttribute('aria-labelledby', `${name.id} ${value.id}`);
        }
        for (const tip of document.querySelectorAll('.help-tooltip[aria-label]')) {
            tip.setAttribute('role', 'img');
        }
    };

    for (const cell of document.querySelectorAll('#result_list tbody td')) {
        const heading = cell.closest('table').tHead.rows[0].cells[cell.cellIndex].textContent.trim();
        if (heading) cell.dataset.label = heading;
    }
    document.querySelector('#site-nav [aria-current]')?.scrollIntoView({block: 'nearest', inline: 'center'});
    // Some are made when jQuery says that the page is ready, others when it is loaded.
    window.django?.jQuery?.(give);
    window.addEventListener('load', give);
}
