// Makes each request of Artillery's a test message, signed as Twilio signs JSON: the body's hash stands in the URL, and
// the URL is signed. Test messages are stored like others and answered by nobody.
'use strict';

const crypto = require('node:crypto');

function signed(url, body, token) {
  const digest = crypto.createHash('sha256').update(body).digest('hex');
  const target = url.split('#')[0];
  const address = `${target}${target.includes('?') ? '&' : '?'}bodySHA256=${digest}`;
  return { address, signature: crypto.createHmac('sha1', token).update(address).digest('base64') };
}

function sign(request, context, events, next) {
  const { WEBHOOK_URL, TWILIO_AUTH_TOKEN } = process.env;
  const body = JSON.stringify({
    test: 'Load by Artillery',
    message_id: crypto.randomUUID(),
    From: '+15005550006',
    To: '+15005550001',
  });
  const { address, signature } = signed(WEBHOOK_URL, body, TWILIO_AUTH_TOKEN);
  request.url = address;
  request.body = body;
  request.headers = { 'Content-Type': 'application/json', 'X-Twilio-Signature': signature };
  return next();
}

module.exports = { sign, signed };
