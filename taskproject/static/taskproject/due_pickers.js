'use strict';
// A picker beside the text of a due time, the names of time zones, and the dates of a series.
document.addEventListener('DOMContentLoaded', () => {
    for (const text of document.querySelectorAll('#id_due_at, #bulk_due_at')) {
        const picker = Object.assign(document.createElement('input'), {type: 'datetime-local'});
        picker.setAttribute('aria-label', 'Pick a day and a time');
        const show = () => {
            picker.value = text.value.trim().slice(0, 16).replace(' ', 'T');
        };
        picker.addEventListener('change', () => {
            text.value = picker.value.replace('T', ' ');
        });
        text.addEventListener('change', show);
        text.after(picker);
        show();
    }
    const zone = document.getElementById('id_due_timezone');
    if (zone) {
        const zones = Object.assign(document.createElement('datalist'), {id: 'timezones'});
        zones.append(...(Intl.supportedValuesOf?.('timeZone') ?? []).map(name => new Option(name)));
        zone.after(zones);
        zone.setAttribute('list', zones.id);
    }
    const dates = document.getElementById('next-dates');
    let asked = '', wait;
    const preview = async () => {
        const fields = document.querySelectorAll('[name^="due_"], #id_recurrence, #id_recurrence_from');
        const query = new URLSearchParams(Array.from(fields, field => [field.name, field.value])).toString();
        if (query === asked) return;
        asked = query;
        const response = await fetch(`${dates.dataset.url}?${query}`);
        const found = response.ok ? await response.text() : '';
        dates.textContent = query === asked ? found : dates.textContent;
        if (document.activeElement.id === 'id_recurrence') dates.scrollIntoView({block: 'nearest'});
    };
    if (dates) {
        // The calendar of the day tells nobody that it was used, but the field has the focus then.
        const later = () => {
            clearTimeout(wait);
            wait = setTimeout(preview, 300);
        };
        ['input', 'change', 'focusin'].forEach(event => document.addEventListener(event, later));
        preview();
    }
});
