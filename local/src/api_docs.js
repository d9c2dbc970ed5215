// A file of its own: the page's policy refuses scripts that are in the page.
window.ui = SwaggerUIBundle({
  dom_id: '#page',
  url: '/openapi.yaml',
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true, // in this browser's localStorage
  requestSnippetsEnabled: true,
  tryItOutEnabled: true,
  validatorUrl: null, // another host's
});
