'use strict';
// A picker beside the text of a due time, and the names of time zones.
document.addEventListener('DOMContentLoaded', () => {
    const text = document.getElementById('id_due_at');
    const zone = document.getElementById('id_due_timezone');
    if (!text || !zone) {
        return;
    }
    const picker = document.createElement('input');
    picker.type = 'datetime-local';
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

    const zones = document.createElement('datalist');
    zones.id = 'timezones';
    zones.append(...(Intl.supportedValuesOf?.('timeZone') ?? []).map(name => new Option(name)));
    zone.after(zones);
    zone.setAttribute('list', zones.id);
});
